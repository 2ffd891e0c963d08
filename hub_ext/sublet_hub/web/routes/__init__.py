"""One file per kind of caller."""
