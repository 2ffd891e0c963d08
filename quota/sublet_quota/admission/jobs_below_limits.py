"""Jobs that have their place, and the limits below which they count: each part, and what passes it.

A limit counts jobs beside slices, or, where ``jobs.limit`` is said, jobs alone.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from sublet_quota.admission.met_limits import Without, paying_groups, sum_of
from sublet_quota.document.group_limits import group_job_limits, group_limits
from sublet_quota.document.right_values import Rights
from sublet_quota.holdings.gpu_load import Holding
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.names.ids import GroupName, SliceId, UserName
from sublet_quota.shares.cards import NO_CARD, total
from sublet_quota.shares.group_tree import NodeName
from sublet_quota.shares.limits import Amounts, Limit, LimitKind

Part = tuple[NodeName, LimitKind, str | None]
"""One part of a limit: of cards, of a type, of memory, of slices."""
NOTHING = Amounts()


@dataclass(frozen=True, slots=True)
class PlacedJob:
    """A job that has its place, with all its slices: it runs on all of them, or on none."""

    slices: tuple[Holding, ...]
    amounts: Amounts

    @property
    def name(self) -> str:
        """The id of the job (``name_of``)."""
        return name_of(self.slices[0])

    @property
    def age(self) -> tuple[datetime, int]:
        """What the oldest has the least of."""
        return min(each.age for each in self.slices)

    @property
    def is_entitled(self) -> bool:
        """Whether it was found within a guarantee last, at least in part, and runs."""
        return all(each.entitled_job for each in self.slices)

    @property
    def is_by_right(self) -> bool:
        """Whether that is its own group's guarantee."""
        return all(each.job_by_right for each in self.slices)

    @property
    def slice_ids(self) -> tuple[SliceId, ...]:
        """The ids of the slices, sorted."""
        return tuple(sorted(each.slice_id for each in self.slices))

    def nodes(self, holdings: Holdings) -> tuple[NodeName, ...]:
        """Return where the job counts: the groups that pay, and its owner."""
        first = self.slices[0]
        return *paying_groups(holdings, first.group), own_node(first.owner)


def limits_of_payer(holdings: Holdings, group: GroupName | None) -> Mapping[NodeName, Limit]:
    """Return the limits of a group and of all above it in which jobs count beside slices."""
    document = holdings.document
    if group is None or group not in document.all_groups:
        return {}
    apart = group_job_limits(document, group)
    return {
        node: limit for node, limit in group_limits(document, group).items() if node not in apart
    }


def limits_of_person(rights: Rights) -> Mapping[NodeName, Limit]:
    """Return the same of a person."""
    if rights.job_limit is not None:
        return {}
    return {own_node(rights.owner): rights.limit.with_jobs.limit}


def apart_of_payer(holdings: Holdings, group: GroupName | None) -> Mapping[NodeName, Limit]:
    """Return the limits of a group and of all above it that count jobs alone."""
    document = holdings.document
    if group is None or group not in document.all_groups:
        return {}
    return group_job_limits(document, group)


def apart_of_person(rights: Rights) -> Mapping[NodeName, Limit]:
    """Return the same of a person."""
    if rights.job_limit is None:
        return {}
    return {own_node(rights.owner): rights.job_limit.with_jobs.limit}


def own_node(owner: UserName) -> NodeName:
    """Return by which name a person's amounts are kept: no group's ends so."""
    return NodeName(f"{owner}/")


def owner_at(node: NodeName) -> UserName | None:
    """Return whose amounts are kept by a name; ``None``: it is a group's."""
    return UserName(node[:-1]) if node.endswith("/") else None


def parts_of(node: NodeName, limit: Limit, amounts: Amounts) -> Iterator[Part]:
    """Yield the parts of a limit in which amounts count."""
    for gpu_type in sorted(amounts.cards.keys() & limit.types.keys()):
        if amounts.cards[gpu_type]:
            yield node, LimitKind.TYPE, gpu_type
    if limit.cards is not None and any(amounts.cards.values()):
        yield node, LimitKind.CARDS, None
    if limit.memory_mib is not None and amounts.memory_mib:
        yield node, LimitKind.MEMORY, None
    if limit.slices is not None and amounts.slices:
        yield node, LimitKind.SLICES, None


def passed_parts(node: NodeName, limit: Limit, others: Amounts, more: Amounts) -> set[Part]:
    """Return the parts of a limit that so much more passes beside others."""
    return {part for part in parts_of(node, limit, more) if _is_passed(part, limit, others, more)}


def _is_passed(part: Part, limit: Limit, others: Amounts, more: Amounts) -> bool:
    _, kind, gpu_type = part
    match kind:
        case LimitKind.TYPE:
            name = gpu_type or ""
            return others.cards.get(name, NO_CARD) + more.cards[name] > limit.types[name]
        case LimitKind.CARDS:
            cards = total((*others.cards.values(), *more.cards.values()))
            return limit.cards is not None and cards > limit.cards
        case LimitKind.MEMORY:
            memory_mib = others.memory_mib + more.memory_mib
            return limit.memory_mib is not None and memory_mib > limit.memory_mib
        case LimitKind.SLICES:
            return limit.slices is not None and others.slices + more.slices > limit.slices
        case _ as never:
            assert_never(never)


def held_at(world: Without, node: NodeName) -> tuple[Amounts, Amounts]:
    """Return what slices and what jobs hold at a group, or of a person."""
    holdings, owner = world.holdings, owner_at(node)
    if owner is not None:
        return holdings.held_by(owner), holdings.jobs_held_by(owner)
    return world.held(node), holdings.jobs_held(node)


def jobs_at(holdings: Holdings, node: NodeName) -> Iterator[Holding]:
    """Return the slices of jobs that count at a group, or of a person."""
    owner = owner_at(node)
    if owner is not None:
        return (each for each in holdings.slices_of(owner) if not each.is_notebook)
    return holdings.jobs_paid_below(GroupName(node))


def name_of(holding: Holding) -> str:
    """Return the id of the job that a slice is of; the slice's own where it is not known."""
    return holding.job_id or holding.slice_id


def jobs_of(holdings: Holdings, slices: Iterable[Holding]) -> Iterator[PlacedJob]:
    """Yield slices by the job that they are of."""
    of_job: defaultdict[str, list[Holding]] = defaultdict(list)
    for holding in slices:
        of_job[name_of(holding)].append(holding)
    return (PlacedJob(tuple(own), sum_of(holdings, own)) for own in of_job.values())


def held_back_at(holdings: Holdings, node: NodeName) -> Amounts:
    """Return what jobs that are held back hold at a group, or of a person."""
    owner = owner_at(node)
    if owner is not None:
        return holdings.jobs_held_back_by(owner)
    return holdings.jobs_held_back(node)
