"""Who calls, how often, and what must not leak."""
