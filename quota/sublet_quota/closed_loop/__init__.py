"""Closed loop: simulated weeks of people and jobs, by the functions that decide in production."""
