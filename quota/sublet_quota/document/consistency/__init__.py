"""Whether the entries of a document fit together."""
