"""Other policies, on what is asked for in the same simulation."""
