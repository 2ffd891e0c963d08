"""Cards as they are written in one line, eight to a node at most."""

from collections.abc import Iterator
from typing import Final

from sublet_quota.amounts.card_text import cards_alike
from sublet_quota.amounts.gpu_amounts import MIB_PER_GIB
from sublet_quota.amounts.gpu_kind import GpuKind
from sublet_quota.holdings.gpu_load import GpuFacts
from sublet_quota.names.ids import GpuId, NodeId

MOST_CARDS: Final = 25_000
_MARGIN_MIB: Final = 1024


def read_cards(text: str, a_node: int = 8, nodes_from: int = 0) -> tuple[GpuFacts, ...]:
    """Return the cards that a text names; so many of a kind to a node. ``CardsError``.

    ``nodes_from``: the number in the names of the first kind's nodes.
    """
    return tuple(_cards(text, a_node, nodes_from))


def _cards(text: str, a_node: int, nodes_from: int) -> Iterator[GpuFacts]:
    above_gib = _MARGIN_MIB / MIB_PER_GIB
    for kind_at, alike in enumerate(cards_alike(text, MOST_CARDS, above_gib), nodes_from):
        kind = GpuKind(alike.model, int(alike.memory_gib * MIB_PER_GIB), _MARGIN_MIB)
        for number in range(alike.number):
            node, index = divmod(number, a_node)
            name = f"node-{kind_at}-{node}"
            yield GpuFacts(GpuId(f"{name}:{index}"), NodeId(name), index, kind)
