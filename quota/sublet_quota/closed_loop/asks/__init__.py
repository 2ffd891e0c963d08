"""What people ask for: written out, drawn, or read from a table."""
