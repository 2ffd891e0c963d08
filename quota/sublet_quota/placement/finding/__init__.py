"""How a slice finds its place: where, who makes way, and what the decision follows from."""
