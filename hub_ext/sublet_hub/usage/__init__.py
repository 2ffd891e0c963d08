"""Usage: what was used, lent and waited for."""
