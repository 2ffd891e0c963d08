"""What stood in an old document, as it is written now."""

import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Any, Final

import yaml

from sublet_quota.amounts.gpu_amounts import WHOLE_GPU_MILLI, parse_compute
from sublet_quota.document.value_kinds.cards import write_cards
from sublet_quota.errors import AmountError

_MOST_SHOWN: Final = 200
_NO_NAME: Final = re.compile(r"[^A-Za-z0-9._-]")
_SAME: Final = ("keep_a_day", "sizes", "own_amounts")


def flow(value: Any) -> str:
    """Return a value as YAML on one line, and not longer than a line."""
    written = yaml.safe_dump(value, default_flow_style=True, width=10**6, sort_keys=False)
    text = written.removesuffix("\n...\n").strip()
    return text if len(text) <= _MOST_SHOWN else text[: _MOST_SHOWN - 3] + "..."


def cards_anew(compute: Any) -> int | float | str:
    """Return a number of GPUs as cards; what is none of either as it stands."""
    try:
        milli = parse_compute(str(compute))
    except AmountError:
        return flow(compute)
    return write_cards(Fraction(milli, WHOLE_GPU_MILLI))


def memory_anew(memory: Any) -> Any:
    """Return memory with its unit."""
    number = isinstance(memory, int) and not isinstance(memory, bool)
    return f"{memory} MiB" if number else memory


def person_anew(old: Any) -> dict[str, Any]:
    """Return what one person may have."""
    said: Mapping[str, Any] = old if isinstance(old, Mapping) else {}
    limit: dict[str, Any] = {}
    before = said.get("limit")
    for key, value in before.items() if isinstance(before, Mapping) else ():
        if key == "compute":
            limit["cards"] = cards_anew(value)
        else:
            limit[key] = memory_anew(value) if key == "memory" else value
    if "most_slices" in said:
        limit["slices"] = said["most_slices"]
    made: dict[str, Any] = {"limit": limit} if limit else {}
    if "most_jobs" in said:
        made["jobs"] = {"most": said["most_jobs"]}
    return made | {key: said[key] for key in _SAME if key in said}


def pool_anew(gpus: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the GPU types that a selection of GPUs names, and what the pool itself says."""
    said: Mapping[str, Any] = gpus if isinstance(gpus, Mapping) else {}
    pool: dict[str, Any] = {key: said[key] for key in ("nodes", "ids") if key in said}
    patterns = said.get("types")
    gpu_types = {
        _NO_NAME.sub("", str(each)) or "TYPE": {"match": str(each)}
        for each in (patterns if isinstance(patterns, list) else ())
    }
    if gpu_types or not pool:
        pool = {"types": list(gpu_types) or ["H100"], **pool}
    return gpu_types, pool
