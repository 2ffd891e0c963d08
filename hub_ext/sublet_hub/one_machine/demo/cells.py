"""The cells that the owners of the demo run, for each kind of device.

Each but ``work`` prints one line of JSON last. ``seconds_to_gpu`` is the wait for the first GPU
call of the cell, measured in the kernel from the cell's first line.
"""

from dataclasses import dataclass
from pathlib import Path
from string import Template

_SIMULATED = {
    "fill": """
import json, os, time
import sublet_agent.simulated.client as gpu
data = gpu.allocate(gib=$gib)
data.fill($seed)
fingerprint = data.sha256()
answer = $seed * 7
print(json.dumps({"pid": os.getpid(), "fingerprint": fingerprint}))
""",
    "compute": """
started = time.monotonic()
gpu.compute(seconds=0.001)
seconds_to_gpu = time.monotonic() - started
for _ in range($rounds):
    gpu.compute(seconds=0.05)
print(json.dumps({"seconds_to_gpu": seconds_to_gpu, "rounds": $rounds}))
""",
    "work": """
while not os.path.exists($until_there):
    gpu.compute(seconds=$call_s)
""",
    "check": """
started = time.monotonic()
gpu.compute(seconds=0.001)
seconds_to_gpu = time.monotonic() - started
print(json.dumps({
    "seconds_to_gpu": seconds_to_gpu,
    "answer": answer,
    "intact": data.sha256() == fingerprint,
    "pid": os.getpid(),
}))
""",
}

_NVIDIA = {
    "fill": """
import json, os, time
import torch
generator = torch.Generator("cuda").manual_seed($seed)
data = torch.empty(int($gib * 2**30 // 4), dtype=torch.int32, device="cuda")
data.random_(generator=generator)
def sum_of(tensor):  # in pieces: a sum makes a copy of what it adds up, twice as large
    return [int(part.sum(dtype=torch.int64)) for part in tensor.split(2**24)]
fingerprint = sum_of(data)
answer = $seed * 7
print(json.dumps({"pid": os.getpid(), "fingerprint": fingerprint[0]}))
""",
    "compute": """
started = time.monotonic()
left = torch.ones(4096, 4096, device="cuda")
torch.cuda.synchronize()
seconds_to_gpu = time.monotonic() - started
for _ in range($rounds):
    until = time.monotonic() + 0.05
    while time.monotonic() < until:
        product = left @ left
        torch.cuda.synchronize()
right = bool((product == 4096).all())
assert right, "a product came out wrong"
print(json.dumps({"seconds_to_gpu": seconds_to_gpu, "rounds": $rounds}))
""",
    "work": """
left = torch.ones(4096, 4096, device="cuda")
while not os.path.exists($until_there):
    product = left @ left
    torch.cuda.synchronize()
""",
    "check": """
started = time.monotonic()
torch.zeros(1, device="cuda").item()
seconds_to_gpu = time.monotonic() - started
print(json.dumps({
    "seconds_to_gpu": seconds_to_gpu,
    "answer": answer,
    "intact": sum_of(data) == fingerprint,
    "pid": os.getpid(),
}))
""",
}


@dataclass(frozen=True, slots=True)
class Cells:
    """The cells for one kind of device."""

    simulated: bool

    def fill(self, gib: float, seed: int) -> str:
        """Return a cell that fills GPU memory and keeps its fingerprint in variables."""
        return self._text("fill", gib=gib, seed=seed)

    def compute(self, rounds: int) -> str:
        """Return a cell that computes for ``rounds`` times 0.05 s of GPU time."""
        return self._text("compute", rounds=rounds)

    def work(self, until_there: Path, call_s: float = 0.05) -> str:
        """Return a cell that computes until there is such a file.

        ``call_s``: the GPU time of each call; a real card is called again at once.
        """
        return self._text("work", until_there=repr(str(until_there)), call_s=call_s)

    def check(self) -> str:
        """Return a cell that tells whether every variable and every byte is there."""
        return self._text("check")

    def _text(self, name: str, **values: float | str) -> str:
        source = _SIMULATED if self.simulated else _NVIDIA
        return Template(source[name]).substitute(values).strip() + "\n"
