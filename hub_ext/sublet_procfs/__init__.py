"""What lies in tenants' memory, read so that no tenant can hold up who reads it."""
