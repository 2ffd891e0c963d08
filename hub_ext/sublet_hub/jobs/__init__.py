"""Training jobs, wherever they run."""
