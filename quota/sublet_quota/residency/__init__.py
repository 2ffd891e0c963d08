"""Residency, who is on the GPU this second: from a snapshot of one GPU to a list of actions."""
