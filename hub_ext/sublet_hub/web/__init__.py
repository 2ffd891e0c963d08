"""HTTP: what callers may ask, and what they are shown."""
