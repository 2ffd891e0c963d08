"""What the service knows now."""
