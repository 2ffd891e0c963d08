"""The state of the service: what it knows now."""
