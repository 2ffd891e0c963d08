"""Placement: which GPU a slice goes to, and what a user could have now."""
