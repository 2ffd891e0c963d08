"""Control groups of slices: whose a process is, and how all processes of a slice stand still."""
