"""The HTTP API: one table of routes, one handler, and the OpenAPI document made from both."""
