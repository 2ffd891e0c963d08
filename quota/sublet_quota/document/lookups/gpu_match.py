"""Which type a card counts as, and which pool it belongs to.

An exact name goes before a pattern. A card that two match is closed, with that reason: no order
decides. No name means one thing in a list and another elsewhere.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sublet_quota.amounts.gpu_kind import is_pattern, matches
from sublet_quota.document.sections import GpuType, Pool

_EXACT_CARD: Final = 2
_EXACT_NODE: Final = 1
_BY_PATTERN: Final = 0


@dataclass(frozen=True, slots=True)
class Ambiguous:
    """Several types, or pools, that one card matches alike."""

    names: tuple[str, ...]
    """Sorted."""


def matching_type(gpu_types: Mapping[str, GpuType], model: str) -> str | Ambiguous:
    """Return the type of a card of a model; the model's own name where no type matches."""
    exact = [
        name
        for name, gpu_type in gpu_types.items()
        if any(not is_pattern(each) and matches(model, (each,)) for each in gpu_type.match)
    ]
    found = exact or [name for name, each in gpu_types.items() if matches(model, each.match)]
    return _only(found) or model


def matching_pool(
    pools: Mapping[str, Pool], gpu_type: str, node: str, gpu_id: str
) -> str | Ambiguous | None:
    """Return the pool of a card; ``None`` where no pool has it.

    A card's own id goes before its node's name, and that before patterns and types. A pool without
    `types`, `nodes` and `ids` has what no other has.
    """
    found = {
        name: how
        for name, pool in pools.items()
        if selects(pool) and (how := _how(pool, gpu_type, node, gpu_id)) is not None
    }
    best = max(found.values(), default=_BY_PATTERN)
    others = [name for name, pool in pools.items() if not selects(pool)]
    return _only([name for name, how in found.items() if how == best] or others)


def selects(pool: Pool) -> bool:
    """Whether a pool says which cards belong to it."""
    return pool.types is not None or bool(pool.nodes) or bool(pool.ids)


def _how(pool: Pool, gpu_type: str, node: str, gpu_id: str) -> int | None:
    """Return how exactly a pool names a card; ``None`` where it does not."""
    if pool.types is not None and gpu_type not in pool.types:
        return None
    if pool.nodes and not matches(node, pool.nodes):
        return None
    if pool.ids and not matches(gpu_id, pool.ids):
        return None
    if any(not is_pattern(each) and matches(gpu_id, (each,)) for each in pool.ids):
        return _EXACT_CARD
    if any(not is_pattern(each) and matches(node, (each,)) for each in pool.nodes):
        return _EXACT_NODE
    return _BY_PATTERN


def _only(found: list[str]) -> str | Ambiguous | None:
    if len(found) > 1:
        return Ambiguous(tuple(sorted(found)))
    return found[0] if found else None
