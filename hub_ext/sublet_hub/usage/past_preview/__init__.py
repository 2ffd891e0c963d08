"""Past days under another quota document: who is next, and the process that simulates them."""
