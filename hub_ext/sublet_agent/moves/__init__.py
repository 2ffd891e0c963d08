"""Move a slice's memory between GPU and host, in the safe order."""
