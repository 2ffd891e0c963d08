"""The simulated cards: the residency policy acts there, and takes its time."""
