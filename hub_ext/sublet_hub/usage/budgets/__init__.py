"""Budgets: what was held and by which right, what is left of the hours, and who is told."""
