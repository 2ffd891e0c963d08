"""The WebSocket to the hub service."""
