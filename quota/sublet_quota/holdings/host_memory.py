"""The host memory of nodes: what suspended slices may take there, and what of it is spoken for.

What is borrowed has to be able to make way alive, so that its whole cap must find host memory
beside what the node's guarantees may need; so has a job on lent room, but one that would be ended.
That is reckoned where a node has cards of a guaranteed type, and its agent tells how much host
memory there is; elsewhere nothing follows from it. Who is entitled is never refused for it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil

from sublet_quota.holdings.card_policy import CardPolicy
from sublet_quota.holdings.card_rooms import CardRooms
from sublet_quota.holdings.gpu_load import Holding
from sublet_quota.holdings.guarantees import Guarantees
from sublet_quota.holdings.placed_slices import PlacedSlices
from sublet_quota.holdings.standing.standings import Standings
from sublet_quota.names.ids import NodeId
from sublet_quota.shares.cards import total


@dataclass(frozen=True, slots=True)
class HostRoom:
    """The host memory of one node that suspended slices may take."""

    told_mib: int
    """What its agent tells: with what images take there now."""
    of_guarantees_mib: int
    """What may be needed for what is laid out there, or is entitled there beyond that."""
    borrowed_mib: int
    """The caps of what is borrowed there."""
    lent_mib: int = 0
    """The caps of jobs on lent room that may have to be suspended there."""

    @property
    def free_mib(self) -> int:
        """What is left for one more borrowed slice, or one more job on lent room."""
        taken_mib = self.of_guarantees_mib + self.borrowed_mib + self.lent_mib
        return max(0, self.told_mib - taken_mib)


class HostMemory:
    """The host memory of all nodes."""

    def __init__(
        self,
        rooms: CardRooms,
        placed: PlacedSlices,
        standings: Standings,
        guarantees: Guarantees,
    ) -> None:
        self._rooms = rooms
        self._placed = placed
        self._standings = standings
        self._guarantees = guarantees
        self._told: dict[NodeId, int] = {}

    @property
    def told(self) -> Mapping[NodeId, int]:
        """What each node has, in MiB, as far as that is told."""
        return self._told

    def put(self, node: NodeId, told_mib: int | None) -> None:
        """Note how much a node has, in MiB; ``None``: it does not tell."""
        if told_mib is None:
            self._told.pop(node, None)
        else:
            self._told[node] = told_mib

    def take_over(self, told: Mapping[NodeId, int]) -> None:
        """Know of all nodes what is told of them, and of no others."""
        self._told = dict(told)

    def room(self, node: NodeId) -> HostRoom | None:
        """Return what there is on a node; ``None``: not told, or nothing is guaranteed there."""
        told_mib = self._told.get(node)
        if told_mib is None:
            return None
        cards = [self._rooms.cards()[facts.gpu_id] for facts in self._rooms.on_node(node)]
        types = {card.gpu_type for card in cards}
        if not any(self._standings.of_type(each).tree.root.guaranteed for each in types):
            return None
        of_guarantees_mib = borrowed_mib = lent_mib = 0
        for card in cards:
            entitled_mib = 0
            for holding in self._placed.on(card.facts.gpu_id):
                if self._is_entitled(holding):
                    entitled_mib += holding.amount.memory_mib
                elif holding.is_notebook:
                    borrowed_mib += holding.amount.memory_mib
                elif _is_suspended(holding, card):
                    lent_mib += holding.amount.memory_mib
            of_guarantees_mib += max(entitled_mib, self._laid_out_mib(card))
        return HostRoom(told_mib, of_guarantees_mib, borrowed_mib, lent_mib)

    def freed_by(self, holding: Holding) -> int:
        """Return what would be free again without a slice, in MiB: nothing of what is entitled."""
        card = self._rooms.card(holding.gpu_id)
        counts = holding.is_notebook or (card is not None and _is_suspended(holding, card))
        return holding.amount.memory_mib if counts and not self._is_entitled(holding) else 0

    def _laid_out_mib(self, card: CardPolicy) -> int:
        parts = self._guarantees.layout(card.gpu_type).on(card.facts.gpu_id)
        return ceil(total(part.cards for part in parts) * card.facts.kind.usable_mib)

    def _is_entitled(self, holding: Holding) -> bool:
        if not holding.is_notebook:
            return holding.entitled_job
        return self._standings.is_entitled(holding.slice_id)


def _is_suspended(job: Holding, card: CardPolicy) -> bool:
    """Whether a job's slice is suspended for others, and neither stays on its card nor is ended."""
    return not (job.unsuspendable or card.facts.pause_only)
