"""Of all nodes the one on which a request leaves most for what others ask for."""
