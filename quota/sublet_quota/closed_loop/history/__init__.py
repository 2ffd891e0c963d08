"""What really happened on a hub, as a table: read, simulated again, and set beside that."""
