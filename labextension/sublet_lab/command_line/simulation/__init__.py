"""``sublet simulate``: what a quota document comes to, and what else could have been."""
