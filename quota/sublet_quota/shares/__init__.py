"""Who is due how much of a GPU type: guarantees, shares by weight, and whose room may be taken."""
