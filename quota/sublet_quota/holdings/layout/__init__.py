"""Layouts: on which cards guarantees lie, and what entitled slices have there."""
