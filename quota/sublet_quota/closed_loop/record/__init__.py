"""What happened, and whom others envied for it."""
