"""Cases of admission: a small hub that asks, does what it is told, and lets slices end."""

from dataclasses import dataclass, field, replace
from datetime import timedelta
from textwrap import dedent

from sublet_quota.admission.slice_request import RequestedSlice
from sublet_quota.amounts.gpu_amounts import GpuAmount
from sublet_quota.holdings.gpu_load import GpuFacts, Holding
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.names.ids import SliceId, UserName
from sublet_quota.placement.called_back import back_to_their_place
from sublet_quota.placement.finding.question import Waiting
from sublet_quota.placement.slice_placement import NOBODY_WAITS, Placement, decide_slice
from sublet_quota.reasons.refusal import Refusal, RefusalReason
from sublet_quota.residency.snapshot import Holder, Rank

from tests.support.quota_cases import NOON, holdings

SIZES = dedent(
    """
    sizes:
      - {name: small, memory: 10 GiB, compute: 0.125}
      - {name: big, memory: 40 GiB, compute: 0.5, for: [staff]}
    groups:
      staff: {}
    """
)
PARTS = dedent(
    """
    sizes:
      - {name: quarter, memory: 1/4, compute: 1/4}
      - {name: half, memory: 1/2, compute: 1/2}
      - {name: whole, memory: 1, compute: 1}
    everyone: {limit: {slices: unlimited}, own_amounts: true}
    """
)
"""Sizes as parts of any card, and amounts of one's own, as many as there is room for."""


@dataclass(frozen=True)
class Case:
    wish: RequestedSlice
    reason: RefusalReason
    words: str
    numbers: dict[str, int] = field(default_factory=dict)
    document: str = SIZES
    world: tuple[GpuFacts | Holding, ...] = ()


def amounts(mib: int | None, milli: int | None, **others: str) -> RequestedSlice:
    return RequestedSlice("ada", memory_mib=mib, compute_milli=milli, **others)


def holding_of(placement: Placement, name: str, minute: int = 0) -> Holding:
    """The slice that a hub keeps for a placement."""
    return Holding(
        slice_id=SliceId(name),
        owner=placement.owner,
        holder=Holder.NOTEBOOK,
        gpu_id=placement.gpu_id,
        pool=placement.pool,
        amount=placement.amount,
        group=placement.group,
        named=placement.named,
        member_of=placement.member_of,
        since=NOON + timedelta(minutes=minute),
        before=placement.before,
        takes=placement.takes,
    )


def hand_out(held: Holdings, wish: RequestedSlice, name: str) -> Holding | Refusal:
    """Decide on a wish and, where it is granted, hand the slice out."""
    answer = SmallHub(held).hand_out(wish, name)
    return answer if isinstance(answer, Refusal) else holding_of(answer, name)


@dataclass
class SmallHub:
    """Holdings with what follows from each decision: who is called back, and comes back."""

    holdings: Holdings
    minute: int = 100

    @classmethod
    def under(cls, text: str, *entries: GpuFacts | Holding) -> "SmallHub":
        return cls(holdings(text, *entries))

    def ask(
        self, owner: str, *groups: str, name: str | None = None, **wish: object
    ) -> Placement | Refusal:
        """Somebody asks; what is granted is handed out under the owner's name, or another."""
        asked = RequestedSlice(owner, groups, **wish)  # type: ignore[arg-type]
        return self.hand_out(asked, owner if name is None else name)

    def hand_out(
        self, wish: RequestedSlice, name: str, waiting: Waiting = NOBODY_WAITS
    ) -> Placement | Refusal:
        answer = decide_slice(self.holdings, wish, waiting)
        if isinstance(answer, Placement):
            self.hand_out_placed(answer, name)
        return answer

    def hand_out_placed(self, placement: Placement, name: str) -> None:
        """A slice that has its place is handed out."""
        self.make_way(placement)
        self.minute += 1
        self.holdings.put(holding_of(placement, name, self.minute))

    def make_way(self, placement: Placement) -> None:
        """Others do what a placement says of them; who moves is on the other card at once."""
        moves = dict(placement.moves)
        for slice_id, gpu_id in moves.items():
            self.holdings.put(replace(self._held(slice_id), gpu_id=gpu_id))
        for slice_id in placement.calls_back:
            if slice_id not in moves:
                self.holdings.mark_called_back(slice_id, called_back=True)
        for slice_id, group in placement.recharged:
            self.holdings.put(replace(self._held(slice_id), group=group))

    def _held(self, slice_id: SliceId) -> Holding:
        holding = self.holdings.slice(slice_id)
        assert holding is not None
        return holding

    def end(self, *names: str) -> None:
        """Slices end, and those that were called back have their place again where it is free."""
        for name in names:
            assert self.holdings.remove(SliceId(name)) is not None, name
        self.let_back()

    def let_back(self) -> None:
        for slice_id in back_to_their_place(self.holdings):
            self.holdings.mark_called_back(slice_id, called_back=False)

    def rank(self, name: str) -> Rank:
        return self.holdings.rank(SliceId(name))

    def called_back(self) -> set[str]:
        return {one.slice_id for one in self.holdings.slices() if one.called_back}

    def held(self, owner: str) -> GpuAmount:
        memory_mib = self.holdings.held_by(UserName(owner)).memory_mib
        return GpuAmount(memory_mib, 0)
