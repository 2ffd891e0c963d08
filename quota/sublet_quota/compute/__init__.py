"""Who computes on a card, and for how long, where several would have all of it."""
