"""A week's report by group, as people read it: from the values alone, without I/O."""
