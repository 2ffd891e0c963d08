"""Budgets: what held time costs, in which period it counts, and how much is left."""
