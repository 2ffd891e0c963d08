"""Records and reports as API bodies; who may see whose name."""
