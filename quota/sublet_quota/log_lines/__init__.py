"""What may stand in a log: no secrets, nothing that passes for another line, and not too much."""
