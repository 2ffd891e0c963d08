"""Measurement of the cards: what is on them, and who uses them."""
