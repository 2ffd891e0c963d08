"""Exact amounts of GPU and energy, and their units."""
