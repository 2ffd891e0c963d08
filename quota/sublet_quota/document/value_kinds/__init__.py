"""Kinds of values that are in cards, memory or parts of a GPU."""
