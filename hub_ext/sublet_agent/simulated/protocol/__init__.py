"""The protocol on the daemon's socket, and its client side."""
