"""The physics of simulated cards (no I/O, no clock)."""
