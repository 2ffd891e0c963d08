"""Admission: whether somebody may have a slice, or another size of theirs, or why not."""
