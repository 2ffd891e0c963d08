"""How things stand and why: codes with their numbers, and the one table of each code's words."""
