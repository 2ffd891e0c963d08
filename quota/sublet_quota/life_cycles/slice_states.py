"""The states of slices: where their GPU state is.

A slice has no table of moves: its state follows from where each of its processes is, as measured. A
process that ends, is born, or is brought back beside another changes it, too.
"""

from enum import StrEnum


class SliceState(StrEnum):
    """Where the GPU state of a slice's processes is."""

    RESIDENT = "resident"
    """On the GPU and free to run. A slice without any process on the GPU counts as resident."""
    PAUSED = "paused"
    """On the GPU with its CUDA calls blocked."""
    SUSPENDED = "suspended"
    """All of it in host memory, moved by the driver."""
