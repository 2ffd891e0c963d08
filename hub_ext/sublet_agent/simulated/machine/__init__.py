"""The physics (no I/O, no clock)."""
