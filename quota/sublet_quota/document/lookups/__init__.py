"""What a document says, looked up: by name, by key, by card, by moment and by line."""
