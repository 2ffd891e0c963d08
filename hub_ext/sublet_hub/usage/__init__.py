"""What was used, lent and waited for."""
