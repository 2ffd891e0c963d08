"""What PyTorch maps: a program of its own, which prints it as JSON.

Which libraries say that a profiler is at work must not be ones that PyTorch maps by itself; and a
running ``torch.profiler`` should show somewhere.
"""

import json
import re
from pathlib import Path

_TOOLS = re.compile(r"[^/\n]*(?:cupti|nvperf|injection|sanitizer|cuinj)[^/\n]*$", re.IGNORECASE)


def _seen() -> dict[str, object]:
    own = Path("/proc/self")
    lines = (own / "maps").read_text(encoding="utf-8").splitlines()
    names = {found[0] for line in lines if (found := _TOOLS.search(line))}
    threads = sorted(
        (each / "comm").read_text(encoding="utf-8").strip() for each in (own / "task").iterdir()
    )
    return {"mapped": sorted(names), "threads": threads}


def main() -> None:
    """Print what is mapped at each point."""
    seen: dict[str, object] = {"before": _seen()}
    import torch  # noqa: PLC0415 - what its import does is the question

    seen["imported"] = _seen()
    numbers = torch.ones(1 << 20, device="cuda")
    seen["CUDA used"] = _seen()
    with torch.profiler.profile():
        (numbers * 2).sum().item()
        seen["profiling"] = _seen()
    seen["profiled"] = _seen()
    print(json.dumps(seen))


if __name__ == "__main__":
    main()
