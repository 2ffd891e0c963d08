"""The limits that a slice meets: of who pays, of all above it, and of the person. All bind.

A group's limit counts what is charged to it and to the groups in it; a person's all that they hold.
Slices alone count: a slice takes the place of its payer's jobs (``jobs_held_back``). But what is
borrowed takes the place of no job within its group's guarantee: that counts beside slices.

For a slice within the guarantee of its group, on the way to that group, a limit counts only what is
entitled there: what others borrow below it takes no guarantee away. Guarantees are never above
limits, so of cards and types there is room then, always. What is borrowed goes on beyond the limit,
and nothing more is borrowed below it while it does.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final

from sublet_quota.admission.denial import Denial
from sublet_quota.admission.told_lines import told_line
from sublet_quota.amounts.gpu_amounts import WHOLE_GPU_MILLI, GpuAmount
from sublet_quota.amounts.gpu_kind import GpuKind
from sublet_quota.document.group_limits import group_job_limits, group_limits, limit_source
from sublet_quota.document.right_values import Rights
from sublet_quota.holdings.gpu_load import Holding
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.names.ids import GroupName
from sublet_quota.reasons.derivation import Rule
from sublet_quota.reasons.refusals.facts import Fact
from sublet_quota.reasons.refusals.limits import LimitRefusal
from sublet_quota.shares.cards import NO_CARD, total
from sublet_quota.shares.group_tree import NodeName
from sublet_quota.shares.limits import Amounts, Bound, Limit, LimitKind, bounds

PERSON: Final = NodeName("/person")
"""Stands for the owner among the nodes whose limits a slice meets; no group has such a name."""

_NO_LIMIT: Final = Limit()
_OF_PERSON: Final = {
    LimitKind.TYPE: LimitRefusal.USER_TYPE,
    LimitKind.CARDS: LimitRefusal.USER_CARDS,
    LimitKind.MEMORY: LimitRefusal.USER_MEMORY,
    LimitKind.SLICES: LimitRefusal.USER_SLICES,
}
_OF_GROUP: Final = {
    LimitKind.TYPE: LimitRefusal.GROUP_TYPE,
    LimitKind.CARDS: LimitRefusal.GROUP_CARDS,
    LimitKind.MEMORY: LimitRefusal.GROUP_MEMORY,
    LimitKind.SLICES: LimitRefusal.GROUP_SLICES,
}


@dataclass(frozen=True, slots=True)
class Asked:
    """A slice as limits count it: of which type, which part of a card, how much."""

    kind: GpuKind
    gpu_type: str
    amount: GpuAmount
    cards: Fraction
    steps: int = 0
    """To how many steps of its payer's way it would be entitled."""

    @property
    def counted(self) -> Amounts:
        """The slice, counted in every way that a limit counts."""
        return Amounts({self.gpu_type: self.cards}, self.amount.memory_mib, 1)


@dataclass(frozen=True, slots=True)
class Without:
    """Slices of which it is asked what would be if they were not there, or paid for by others."""

    holdings: Holdings
    gone: tuple[Holding, ...] = ()
    only: tuple[Holding, ...] | None = None
    """All that is left, where nearly everything is gone: ``gone`` says nothing then."""
    recharged: tuple[tuple[Holding, GroupName], ...] = ()
    """Slices with the group that pays instead."""
    _sums: dict[GroupName | None, Amounts] = field(default_factory=dict, compare=False, repr=False)
    """What is gone, by who paid, once that was asked for."""

    def counted(self, path: Sequence[NodeName], at: int, asked: Asked) -> Amounts:
        """Return what counts at ``path[at]`` then beside a slice that is asked for."""
        holdings, payer = self.holdings, GroupName(path[-1])
        leaf = holdings.leaf(payer)
        depth = len(holdings.groups.paths[leaf])
        # By right it is there where it is entitled against what else there is at the group.
        if not (asked.steps > at + 1 or asked.steps == depth == at + 1):
            jobs = holdings.jobs_by_right(path[at])
            if not jobs.slices or path[at] in group_job_limits(holdings.document, payer):
                return self.held(path[at])
            return self.held(path[at]) + jobs
        if self.only is not None:
            return sum_of(
                holdings,
                (one for one in self.only if _stays_entitled(holdings, one, leaf, at, asked)),
            )
        counted = holdings.entitled_beside(asked.gpu_type, leaf, at, asked.steps)
        out = (*self.gone, *(one for one, _ in self.recharged))
        gone = [one for one in out if _stays_entitled(holdings, one, leaf, at, asked)]
        return counted - sum_of(holdings, gone) + sum_of(holdings, self._coming_to(path[at]))

    def held(self, node: NodeName) -> Amounts:
        """Return what is held at a group then."""
        if self.only is not None:
            return sum_of(
                self.holdings,
                (one for one in self.only if node in paying_groups(self.holdings, one.group)),
            )
        held = self.holdings.held(node)
        for group, gone in self._gone_by_payer().items():
            if node in paying_groups(self.holdings, group):
                held -= gone
        return held + sum_of(self.holdings, self._coming_to(node)) if self.recharged else held

    def held_by(self, rights: Rights) -> Amounts:
        """Return what a person holds then."""
        if self.only is not None:
            own = (one for one in self.only if one.owner == rights.owner)
            return sum_of(self.holdings, own)
        gone = [one for one in self.gone if one.owner == rights.owner] if self.gone else []
        held = self.holdings.held_by(rights.owner)
        return held - sum_of(self.holdings, gone) if gone else held

    def _coming_to(self, node: NodeName) -> Iterator[Holding]:
        """Yield the slices for which a group, or one in it, pays instead."""
        return (one for one, to in self.recharged if node in paying_groups(self.holdings, to))

    def _gone_by_payer(self) -> Mapping[GroupName | None, Amounts]:
        if not self._sums and (self.gone or self.recharged):
            paid: defaultdict[GroupName | None, list[Holding]] = defaultdict(list)
            for holding in (*self.gone, *(one for one, _ in self.recharged)):
                paid[holding.group].append(holding)
            sums = ((group, sum_of(self.holdings, slices)) for group, slices in paid.items())
            self._sums.update(sums)
        return self._sums


def sum_of(holdings: Holdings, slices: Iterable[Holding]) -> Amounts:
    """Return slices, jobs' too, as limits count them together: on a card that is gone as before."""
    cards: defaultdict[str, list[Fraction]] = defaultdict(list)
    memory_mib = count = 0
    for holding in slices:
        for gpu_type, amount in holdings.amounts_of(holding).cards.items():
            cards[gpu_type].append(amount)
        memory_mib += holding.amount.memory_mib
        count += 1
    sums = {gpu_type: total(amounts) for gpu_type, amounts in cards.items()}
    return Amounts(sums, memory_mib, count)


def _stays_entitled(
    holdings: Holdings, one: Holding, leaf: NodeName, at: int, asked: Asked
) -> bool:
    """Whether a slice counts at the step ``at`` of a leaf's way beside one that is due there."""
    piece = holdings.piece(one.slice_id)
    if piece is None:
        return False
    together = holdings.groups.in_common(piece.node, leaf)
    steps = asked.steps
    if holdings.type_of(one.gpu_id) != asked.gpu_type:
        steps = min(at + 2, len(holdings.groups.paths[leaf]))
    return together > at and piece.entitled > min(together, steps - 1)


def paying_groups(holdings: Holdings, group: GroupName | None) -> tuple[NodeName, ...]:
    """Return a group with all above it, the top first; none for one that is no more."""
    return tuple(NodeName(name) for name in holdings.document.path_of_payer(group))


def group_bounds(world: Without, group: GroupName | None, asked: Asked) -> tuple[Bound, ...]:
    """Return the limits of a payer and of all above it, the least room first."""
    if group is None:
        return ()
    path = paying_groups(world.holdings, group)
    limits = group_limits(world.holdings.document, group)
    held = {
        name: world.counted(path, at, asked)
        for at, name in enumerate(path)
        if name in limits and limits[name] != _NO_LIMIT
    }
    return bounds(limits, held, path, asked.counted)


def person_bounds(world: Without, rights: Rights, asked: Asked) -> tuple[Bound, ...]:
    """Return the limits of a person over all they hold, the least room first."""
    limits, held = {PERSON: rights.limit.limit}, {PERSON: world.held_by(rights)}
    return bounds(limits, held, (PERSON,), asked.counted)


def beyond(bounds_met: tuple[Bound, ...]) -> Bound | None:
    """Return the limit with the least room, if it does not allow what is asked."""
    return next((bound for bound in bounds_met if not bound.allows), None)


def denied_by(holdings: Holdings, rights: Rights, bound: Bound, asked: Asked) -> Denial:
    """Return the refusal by a limit of the person, or of a group."""
    if bound.node == PERSON:
        line = told_line(rights.limit.source(bound.kind, bound.gpu_type))
        facts: dict[str, Fact] = {"owner": rights.owner, **_numbers(bound, asked), "line": line}
        return Denial(
            _OF_PERSON[bound.kind], Rule.LIMIT, None, (line,), facts, less=_less(bound, asked)
        )
    group = GroupName(bound.node)
    line = told_line(limit_source(holdings.document, group, bound.kind, bound.gpu_type))
    facts = {"group": group, **_numbers(bound, asked), "line": line}
    return Denial(
        _OF_GROUP[bound.kind], Rule.LIMIT, group, (line,), facts, less=_less(bound, asked)
    )


def _numbers(bound: Bound, asked: Asked) -> dict[str, Fact]:
    match bound.kind:
        case LimitKind.TYPE:
            return {**_of_cards(bound), "gpu_type": asked.gpu_type}
        case LimitKind.CARDS:
            return _of_cards(bound)
        case LimitKind.MEMORY:
            return {
                "asked_mib": asked.amount.memory_mib,
                "used_mib": int(bound.held),
                "limit_mib": int(bound.limit),
            }
        case LimitKind.SLICES:
            return {"slices": int(bound.held), "most_slices": int(bound.limit)}


def _of_cards(bound: Bound) -> dict[str, Fact]:
    return {"asked_cards": bound.asked, "held_cards": bound.held, "limit_cards": bound.limit}


def _less(bound: Bound, asked: Asked) -> GpuAmount | None:
    """Return how much a limit still allows, where that is anything at all."""
    room, amount = max(NO_CARD, bound.room), asked.amount
    match bound.kind:
        case LimitKind.TYPE | LimitKind.CARDS:
            memory_mib = int(asked.kind.usable_mib * room)
            compute_milli = int(WHOLE_GPU_MILLI * room)
        case LimitKind.MEMORY:
            memory_mib, compute_milli = int(room), amount.compute_milli
        case LimitKind.SLICES:
            return None
    if not (memory_mib and compute_milli):
        return None
    return amount.lesser(GpuAmount(memory_mib, compute_milli))
