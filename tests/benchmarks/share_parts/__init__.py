"""The parts of the benchmark of compute shares."""
