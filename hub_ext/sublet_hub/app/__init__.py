"""The program: options, wiring, loops."""
