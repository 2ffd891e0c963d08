"""What the service does besides deciding: servers, jobs, and who is charged."""
