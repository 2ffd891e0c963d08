"""Notices on their way out: what waits to be sent by mail or webhook, and how that is sent."""
