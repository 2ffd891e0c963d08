"""Residency: which slices are on the GPU this second."""
