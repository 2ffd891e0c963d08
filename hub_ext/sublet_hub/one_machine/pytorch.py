"""Whether PyTorch is here, and computes on a card: the examples for NVIDIA cards need it.

It is the machine's own where that has one, else brought by `make pytorch` (`.ci/install-pytorch`).
"""

import importlib.util
import os
import subprocess
import sys
from typing import Final

HOW_TO_GET_IT: Final = (
    "`make pytorch` takes the one of this machine's own Python, or brings one (about 3 GiB)"
)
_TRY: Final = "import torch; torch.zeros(1, device='cuda').item()"
_WITHIN_S: Final = 180.0


def pytorch_is_here() -> bool:
    """Whether this Python finds PyTorch, whatever that can do."""
    return importlib.util.find_spec("torch") is not None


def why_no_pytorch(gpu_id: str) -> str | None:
    """Return why PyTorch cannot compute on this card, in its own words; ``None``: it can."""
    if not pytorch_is_here():
        return f"there is no PyTorch in {sys.prefix}: {HOW_TO_GET_IT}"
    try:
        tried = subprocess.run(
            [sys.executable, "-c", _TRY],
            env={**os.environ, "CUDA_VISIBLE_DEVICES": gpu_id},
            capture_output=True,
            text=True,
            timeout=_WITHIN_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"PyTorch does not compute on {gpu_id} within {_WITHIN_S:g} s"
    if tried.returncode == 0:
        return None
    last = tried.stderr.strip().splitlines()[-1:] or [f"status {tried.returncode}"]
    return f"PyTorch does not compute on {gpu_id}: {last[0]}"
