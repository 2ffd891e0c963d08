"""Placing what is missing of a layout on the cards that are left."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from sublet_quota.holdings.layout.packing import Packing
from sublet_quota.names.ids import GpuId
from sublet_quota.shares.group_tree import NodeName


@dataclass(frozen=True, slots=True)
class Before:
    """Where parts lay before."""

    cards: Mapping[NodeName, frozenset[GpuId]]
    """The cards on which each node had any."""
    rest: Mapping[NodeName, GpuId]
    """The card of each node's rest."""

    @classmethod
    def of(cls, parts: Mapping[GpuId, Mapping[NodeName, int]], units: int) -> "Before":
        """Return where these parts lie, told in units of a card."""
        cards: dict[NodeName, set[GpuId]] = {}
        rest: dict[NodeName, GpuId] = {}
        for gpu_id, here in parts.items():
            for node, size in here.items():
                cards.setdefault(node, set()).add(gpu_id)
                if size < units:
                    rest[node] = gpu_id
        return cls({node: frozenset(there) for node, there in cards.items()}, rest)


@dataclass(slots=True)
class Missing:
    """What is still to be laid out."""

    whole: dict[NodeName, int] = field(default_factory=dict)
    """Whole cards."""
    rests: dict[NodeName, int] = field(default_factory=dict)
    """In units of a card."""

    def copy(self) -> "Missing":
        """Return the same, which changes by itself."""
        return Missing(dict(self.whole), dict(self.rests))

    def units(self, of_card: int) -> int:
        """Return all of it, in units."""
        return sum(self.whole.values()) * of_card + sum(self.rests.values())


def place(packing: Packing, missing: Missing, before: Before, *, tightly: bool) -> None:
    """Lay out what is missing, as far as it fits; on cards that others block only at last.

    ``tightly``: rests go where they fit tightest, and not where they are wished.
    """
    for blocked in (False, True):
        _place_whole_as_wished(packing, missing, before, blocked=blocked)
        _place_whole(packing, missing, blocked=blocked)
        for node in _largest_first(packing, missing):
            size = missing.rests[node]
            found = (
                packing.tightest_for_rest(node, size, blocked=blocked)
                if tightly
                else packing.wished_for_rest(
                    node, size, blocked=blocked, before=before.rest.get(node)
                )
            )
            if found is not None:
                packing.put(node, found, size)
                missing.rests[node] = 0
    _split_rests(packing, missing)


def _place_whole_as_wished(
    packing: Packing, missing: Missing, before: Before, *, blocked: bool
) -> None:
    """Give groups whole cards on which they had parts, or their entitled slices lie."""
    units = packing.demand.units
    found = sorted(
        (
            (amount, packing.cards.lot(node), node, gpu_id)
            for node, count in missing.whole.items()
            if count
            for gpu_id, amount in _wished(packing, node, before.cards.get(node, frozenset()))
            if gpu_id in packing.unused
        ),
        reverse=True,
    )
    for _, _, node, gpu_id in found:
        unused = gpu_id in packing.unused and missing.whole[node]
        if unused and packing.fits(node, gpu_id, units, blocked=blocked):
            packing.put(node, gpu_id, units)
            missing.whole[node] -= 1


def _wished(
    packing: Packing, node: NodeName, before: frozenset[GpuId]
) -> Iterator[tuple[GpuId, tuple[bool, int]]]:
    home = packing.cards.homes.get(node, {})
    for gpu_id in (*home, *(before - home.keys())):
        yield gpu_id, (gpu_id in before, home.get(gpu_id, 0))


def _place_whole(packing: Packing, missing: Missing, *, blocked: bool) -> None:
    units, lot = packing.demand.units, packing.cards.lot
    unused = list(packing.unused)
    lacking = [node for node, count in missing.whole.items() if count]
    for node in sorted(lacking, key=lambda name: (-missing.whole[name], lot(name))):
        taken: set[GpuId] = set()
        for gpu_id in unused:
            if not missing.whole[node]:
                break
            if packing.fits(node, gpu_id, units, blocked=blocked):
                packing.put(node, gpu_id, units)
                missing.whole[node] -= 1
                taken.add(gpu_id)
        unused = [gpu_id for gpu_id in unused if gpu_id not in taken]


def _largest_first(packing: Packing, missing: Missing) -> list[NodeName]:
    """Return the nodes that lack a rest; those that may lie in pieces come last."""
    demand, lot = packing.demand, packing.cards.lot
    waiting = [node for node, size in missing.rests.items() if size]
    return sorted(
        waiting, key=lambda name: (demand.may_split(name), -missing.rests[name], lot(name))
    )


def _split_rests(packing: Packing, missing: Missing) -> None:
    for node, count in missing.whole.items():
        if count and packing.demand.may_split(node):
            missing.rests[node] = missing.rests.get(node, 0) + count * packing.demand.units
            missing.whole[node] = 0
    for node in _largest_first(packing, missing):
        while missing.rests[node] and packing.demand.may_split(node):
            gpu_id = packing.most_room(node)
            if gpu_id is None:
                break
            size = min(packing.room(gpu_id), missing.rests[node])
            packing.put(node, gpu_id, size)
            missing.rests[node] -= size
