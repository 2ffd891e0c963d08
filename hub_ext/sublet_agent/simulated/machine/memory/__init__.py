"""The real bytes, at a scale, behind the memory of simulated cards."""
