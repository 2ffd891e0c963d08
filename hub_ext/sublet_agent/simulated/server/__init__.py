"""The daemon's side of the socket: requests in, replies out."""
