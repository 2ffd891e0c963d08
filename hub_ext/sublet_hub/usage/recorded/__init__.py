"""What the service records of what happens, so that it can be simulated, and how it is written."""
