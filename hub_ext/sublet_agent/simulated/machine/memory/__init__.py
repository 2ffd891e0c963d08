"""Real bytes at a scale."""
