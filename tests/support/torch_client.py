"""The words of ``sublet_agent.simulated.client`` on a real GPU, by PyTorch and its allocator."""

import hashlib
import time
from dataclasses import dataclass
from typing import Any

import torch

simulated = False
_MIB = 1024 * 1024


@dataclass
class Buffer:
    """A tensor on the card."""

    tensor: Any
    mib: int

    def fill(self, seed: int) -> str:
        generator = torch.Generator(device="cuda").manual_seed(seed)
        self.tensor.random_(0, 256, generator=generator)
        return self.sha256()

    def sha256(self) -> str:
        return hashlib.sha256(self.tensor.cpu().numpy().tobytes()).hexdigest()

    def free(self) -> None:
        del self.tensor


def allocate(*, gib: float = 0, mib: int = 0) -> Buffer:
    wanted = int(gib * 1024) + mib
    return Buffer(torch.zeros(wanted * _MIB, dtype=torch.uint8, device="cuda"), wanted)


def compute(seconds: float) -> None:
    until = time.monotonic() + seconds
    left = torch.ones(512, 512, device="cuda")
    while time.monotonic() < until:
        left = torch.tanh(left @ left)
        torch.cuda.synchronize()
