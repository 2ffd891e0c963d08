"""The program: options, watchdog, wiring."""
