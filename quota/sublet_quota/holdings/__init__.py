"""Holdings: who holds what on which GPU, and what of it counts towards which quota."""
