"""Who would hold more than a limit says, or than is guaranteed to them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from fractions import Fraction

from sublet_quota.document.group_limits import limit_of
from sublet_quota.document.right_values import BUILT_IN, Rights
from sublet_quota.document.rights import rights_of
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.holdings.standing.group_trees import tree_of
from sublet_quota.names.ids import GroupName, UserName
from sublet_quota.preview.present_state import PersonHere
from sublet_quota.shares.cards import NO_CARD, total
from sublet_quota.shares.group_tree import NodeName
from sublet_quota.shares.limits import Amounts, Limit, LimitKind


class Beyond(StrEnum):
    """What more is held than."""

    LIMIT = "limit"
    JOB_LIMIT = "job-limit"
    """The limit that running jobs have apart."""
    GUARANTEE = "guarantee"


@dataclass(frozen=True, slots=True)
class Excess:
    """A group, or a person, with more than they may have, or than is guaranteed."""

    what: Beyond
    group: GroupName | None
    owner: UserName | None
    """``None``: the group's together."""
    kind: LimitKind
    gpu_type: str | None
    held: Fraction
    """Cards, MiB or slices, as the kind counts."""
    most: Fraction


KnownRights = dict[object, Rights]
"""The rights of all who are alike (``PersonHere.alike``)."""
_Key = tuple[Beyond, GroupName | None, UserName | None, LimitKind, str | None]


def new_excesses(
    before: Holdings, after: Holdings, people: Iterable[PersonHere]
) -> tuple[Excess, ...]:
    """Return who would be beyond what the other document says, by more than they are now."""
    here = tuple(people)
    now = {_key(each): each.held - each.most for each in _excesses(before, here)}
    return tuple(
        each for each in _excesses(after, here) if each.held - each.most > now.get(_key(each), 0)
    )


def _key(excess: Excess) -> _Key:
    return excess.what, excess.group, excess.owner, excess.kind, excess.gpu_type


def _excesses(holdings: Holdings, people: Iterable[PersonHere]) -> Iterator[Excess]:
    for name in holdings.document.all_groups:
        yield from excesses_of_group(holdings, name)
    yield from _beyond_guarantees(holdings)
    known: KnownRights = {}
    for person in people:
        yield from excesses_of_person(holdings, person, known)


def excesses_of_group(holdings: Holdings, name: GroupName) -> Iterator[Excess]:
    """Yield what a group's members together hold beyond its own limits."""
    group = holdings.document.all_groups[name]
    node, apart = NodeName(name), group.jobs.limit
    slices = holdings.held(node)
    # A job that is held back counts in no limit, as nothing does that waits.
    jobs = holdings.jobs_held(node) - holdings.jobs_held_back(node)
    together = slices + jobs if apart is None else slices
    yield from _passed(Beyond.LIMIT, limit_of(group.limit), together, name, None)
    if apart is not None:
        yield from _passed(Beyond.JOB_LIMIT, limit_of(apart), jobs, name, None)


def excesses_of_person(
    holdings: Holdings, person: PersonHere, known: KnownRights
) -> Iterator[Excess]:
    """Yield what a person holds beyond their limits; ``known`` keeps the rights of those alike."""
    key = person.alike(holdings.document)
    if key not in known:
        known[key] = rights_of(holdings.document, person.owner, person.hub_groups)
    yield from _of_person(holdings, person.owner, known[key])


def _of_person(holdings: Holdings, owner: UserName, rights: Rights) -> Iterator[Excess]:
    """Yield what is beyond the limits of a person, by the rights of anybody alike."""
    slices, limit = holdings.held_by(owner), rights.limit
    jobs = holdings.jobs_held_by(owner) - holdings.jobs_held_back_by(owner)
    if rights.job_limit is not None:
        yield from _passed(Beyond.LIMIT, limit.limit, slices, None, owner)
        yield from _passed(Beyond.JOB_LIMIT, rights.job_limit.limit, jobs, None, owner)
        return
    together = slices + jobs
    if limit.slices.source == BUILT_IN:
        # What nobody said bounds notebooks alone.
        together = replace(together, slices=slices.slices)
    yield from _passed(Beyond.LIMIT, limit.limit, together, None, owner)


def _beyond_guarantees(holdings: Holdings) -> Iterator[Excess]:
    """Yield the groups whose slices are more than the document guarantees, whatever is graced."""
    for gpu_type in holdings.types():
        told = tree_of(holdings.document, gpu_type)
        for group in holdings.document.all_groups:
            node = NodeName(group)
            guaranteed = told.nodes[node].guaranteed
            held = holdings.held(node).cards.get(gpu_type, NO_CARD)
            if held > guaranteed:
                kind = LimitKind.TYPE
                yield Excess(Beyond.GUARANTEE, group, None, kind, gpu_type, held, guaranteed)


def _passed(
    what: Beyond, limit: Limit, held: Amounts, group: GroupName | None, owner: UserName | None
) -> Iterator[Excess]:
    for kind, gpu_type, has, most in _counted(limit, held):
        if has > most:
            yield Excess(what, group, owner, kind, gpu_type, has, most)


def _counted(
    limit: Limit, held: Amounts
) -> Iterator[tuple[LimitKind, str | None, Fraction, Fraction]]:
    for gpu_type, most in limit.types.items():
        yield LimitKind.TYPE, gpu_type, held.cards.get(gpu_type, NO_CARD), most
    if limit.cards is not None:
        yield LimitKind.CARDS, None, total(held.cards.values()), limit.cards
    if limit.memory_mib is not None:
        yield LimitKind.MEMORY, None, Fraction(held.memory_mib), Fraction(limit.memory_mib)
    if limit.slices is not None:
        yield LimitKind.SLICES, None, Fraction(held.slices), Fraction(limit.slices)
