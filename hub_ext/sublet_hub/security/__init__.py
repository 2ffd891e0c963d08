"""Security: who calls, how often, and what must not leak."""
