"""The words of ``sublet_agent.simulated.client`` on a real GPU, by CuPy and its memory pool."""

import hashlib
import time
from dataclasses import dataclass
from typing import Any

import cupy

simulated = False
_MIB = 1024 * 1024


@dataclass
class Buffer:
    """An array on the card."""

    array: Any
    mib: int

    def fill(self, seed: int) -> str:
        numbers = cupy.arange(self.array.size, dtype=cupy.uint32)
        self.array[:] = numbers * cupy.uint32(2654435761) + cupy.uint32(seed)
        return self.sha256()

    def sha256(self) -> str:
        return hashlib.sha256(cupy.asnumpy(self.array).tobytes()).hexdigest()

    def free(self) -> None:
        del self.array


def allocate(*, gib: float = 0, mib: int = 0) -> Buffer:
    wanted = int(gib * 1024) + mib
    return Buffer(cupy.zeros(wanted * _MIB // 4, dtype=cupy.uint32), wanted)


def compute(seconds: float) -> None:
    until = time.monotonic() + seconds
    left = cupy.ones((512, 512), dtype=cupy.float32)
    while time.monotonic() < until:
        left = cupy.tanh(left @ left)
        cupy.cuda.Device().synchronize()
