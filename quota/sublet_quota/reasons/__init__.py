"""Decisions against a request, as values with their reason and numbers."""
