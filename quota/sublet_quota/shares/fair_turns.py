"""In which order odd cards go where more is guaranteed than there is: to who used least."""

from collections.abc import Iterator, Mapping

from sublet_quota.shares.group_tree import NodeName
from sublet_quota.shares.lots import lot_of


class FairTurns(Mapping[NodeName, tuple[int, int]]):
    """Each group's place in the fair order, then a lot; all are equal while no use is known."""

    def __init__(self, drawn: int = 0) -> None:
        """``drawn``: the number with which the groups' lots are drawn, kept from start to start."""
        self._drawn = drawn
        self._places: Mapping[NodeName, int] = {}

    def replace(self, places: Mapping[NodeName, int]) -> None:
        """Take over new places (``fair_order.ranks``)."""
        self._places = places

    def __getitem__(self, name: NodeName) -> tuple[int, int]:
        """Return a group's place and lot; one that is not known yet used nothing."""
        return self._places.get(name, 0), lot_of(name, self._drawn)

    def __iter__(self) -> Iterator[NodeName]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)
