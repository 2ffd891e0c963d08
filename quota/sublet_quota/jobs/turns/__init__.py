"""Whose turn it is: the order of jobs, from what is guaranteed and from what was used before."""
