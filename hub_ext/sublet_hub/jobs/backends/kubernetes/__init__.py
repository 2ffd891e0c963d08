"""As pods."""
