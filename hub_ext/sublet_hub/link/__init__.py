"""The agents' WebSocket: who they are, what they say, and what they are told."""
