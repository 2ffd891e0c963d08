"""The facts of refusals, as their sentences write them: by the fact's name, else by its type.

What a person sent is quoted and cut, here or by the row's own ``!r:.80``; names from the quota
document and from agents are written as they are.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from sublet_quota.amounts.gpu_amounts import (
    BEYOND_ALL_GPUS,
    GpuAmount,
    format_compute,
    format_memory,
)
from sublet_quota.reasons.job_reasons import MOST_TOLD
from sublet_quota.reasons.refusal import quoted

Fact = int | str | GpuAmount | tuple[str, ...] | None
_MOST_LISTED: Final = 20
_MOST_REASONS: Final = 3


def written(name: str, value: Fact) -> object:
    """Return what stands in a sentence for a fact: memory by ``_mib``, compute by ``_milli``."""
    if name in _BY_NAME:
        return _BY_NAME[name](value)
    match value:
        case int() if name.endswith("_mib"):
            return format_memory(value)
        case int() if name.endswith("_milli"):
            return format_compute(value)
        case tuple():
            return ", ".join(value)
        case _:
            return value


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names[:_MOST_LISTED]) + (", ..." if len(names) > _MOST_LISTED else "")


def _offered(sizes: tuple[str, ...]) -> str:
    return f"Pick one of: {_listed(sizes)}." if sizes else "Ask an administrator for a size."


def _nearest(name: str) -> str:
    return f" (did you mean '{name}'?)" if name else ""


def _slices(count: int) -> str:
    return "1 slice" if count == 1 else f"{count} slices"


def _closed_gpus(count: int) -> str:
    return "the only GPU is" if count == 1 else f"all {count} GPUs are"


def _why_closed(reasons: tuple[str, ...]) -> str:
    return "; ".join(reasons[:_MOST_REASONS]) + ("; ..." if len(reasons) > _MOST_REASONS else "")


def _most_gpus(count: int) -> str:
    return "there is 1" if count == 1 else f"there are {count}"


def _too_little(amount: int) -> str:
    return str(amount) if amount > -BEYOND_ALL_GPUS else "less than nothing"


def _told(words: str) -> str:
    return words[:MOST_TOLD]


_BY_NAME: Final[Mapping[str, Callable[[Any], str]]] = MappingProxyType(
    {
        "asked_path": quoted,
        "asked_pool": quoted,
        "asked_size": quoted,
        "asked_type": quoted,
        "closed_gpus": _closed_gpus,
        "most_gpus": _most_gpus,
        "nearest": _nearest,
        "offered": _offered,
        "pools": _listed,
        "slices": _slices,
        "told": _told,
        "too_little": _too_little,
        "why_closed": _why_closed,
    }
)
