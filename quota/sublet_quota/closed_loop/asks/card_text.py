"""Cards as they are written in one line: ``2xH100:80,4xL4:24``, eight to a node at most."""

import re
from collections.abc import Iterator
from typing import Final

from sublet_quota.amounts.gpu_amounts import MIB_PER_GIB
from sublet_quota.amounts.gpu_kind import GpuKind
from sublet_quota.errors import SubletQuotaError
from sublet_quota.holdings.gpu_load import GpuFacts
from sublet_quota.names.ids import GpuId, NodeId

MOST_CARDS: Final = 25_000
_MARGIN_MIB: Final = 1024
_KIND: Final = re.compile(
    r"(?P<number>[1-9][0-9]{0,4}) *x *(?P<model>[A-Za-z0-9][A-Za-z0-9 -]{0,39})"
    r":(?P<gib>[0-9]{1,4}(\.[0-9]{1,3})?)"
)


class CardsError(SubletQuotaError):
    """Cards that cannot be meant."""


def read_cards(text: str, a_node: int = 8) -> tuple[GpuFacts, ...]:
    """Return the cards that a text names; so many of a kind to a node. ``CardsError``."""
    found = tuple(_cards(text, a_node))
    if len(found) > MOST_CARDS:
        message = f"these are {len(found)} cards: up to {MOST_CARDS} can be simulated"
        raise CardsError(message)
    return found


def _cards(text: str, a_node: int) -> Iterator[GpuFacts]:
    for kind_at, part in enumerate(text.split(",")):
        found = _KIND.fullmatch(part.strip())
        memory_mib = 0 if found is None else int(float(found["gib"]) * MIB_PER_GIB)
        if found is None or memory_mib <= _MARGIN_MIB:
            message = (
                f"{part.strip()!r} names no cards: write NUMBERxMODEL:GIB, such as "
                "2xH100:80,4xL4:24, of more than 1 GiB"
            )
            raise CardsError(message)
        kind = GpuKind(found["model"].strip(), memory_mib, _MARGIN_MIB)
        for number in range(int(found["number"])):
            node, index = divmod(number, a_node)
            name = f"node-{kind_at}-{node}"
            yield GpuFacts(GpuId(f"{name}:{index}"), NodeId(name), index, kind)
