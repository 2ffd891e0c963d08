"""The words of ``sublet_agent.simulated.client`` on a real GPU, by JAX and its allocator.

Set ``XLA_PYTHON_CLIENT_PREALLOCATE=false``: JAX takes three quarters of the card else.
"""

import hashlib
import time
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

simulated = False
_MIB = 1024 * 1024


@dataclass
class Buffer:
    """An array on the card."""

    array: Any
    mib: int

    def fill(self, seed: int) -> str:
        words = self.mib * _MIB // 4
        self.array = jax.random.bits(jax.random.key(seed), (words,), jnp.uint32)
        self.array.block_until_ready()
        return self.sha256()

    def sha256(self) -> str:
        return hashlib.sha256(np.asarray(self.array).tobytes()).hexdigest()

    def free(self) -> None:
        self.array.delete()


def allocate(*, gib: float = 0, mib: int = 0) -> Buffer:
    wanted = int(gib * 1024) + mib
    return Buffer(jnp.zeros(wanted * _MIB // 4, dtype=jnp.uint32), wanted)


def compute(seconds: float) -> None:
    until = time.monotonic() + seconds
    left = jnp.ones((512, 512))
    while time.monotonic() < until:
        left = jnp.tanh(left @ left)
        left.block_until_ready()
