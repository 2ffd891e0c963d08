"""Notebook servers' slices."""
