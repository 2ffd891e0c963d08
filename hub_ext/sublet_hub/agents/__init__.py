"""The node agents' WebSocket: who they are, what they say, what they are told."""
