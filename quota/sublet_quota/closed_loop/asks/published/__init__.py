"""Traces that others published, read as they published them."""
