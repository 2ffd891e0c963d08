"""What of a preview concerns some groups and what is below them: all that their admins are told.

Of slices, jobs and budgets that is what these groups pay. Of a person it is what they may have by
these groups; all together only of one who is a member of no other group, has nothing that another
pays, and is named by no exception: else it would tell what they have elsewhere. What is not
theirs is left out, and not counted either.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from sublet_quota.document.administered.alone import part_alone
from sublet_quota.document.administered.groups import with_all_below
from sublet_quota.document.consistency.warnings import DocumentWarning
from sublet_quota.document.lookups.group_paths import key_path
from sublet_quota.document.problems import KeyPath
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.document.told_reservations import tell_reservations
from sublet_quota.holdings.gpu_load import GpuFacts
from sublet_quota.names.ids import GroupName, SliceId, UserName
from sublet_quota.placement.claims import Claim, Claims
from sublet_quota.preview.present_state import PresentState
from sublet_quota.preview.quota_preview import QuotaPreview, preview_quota
from sublet_quota.preview.rights_changes import RightChange

_LISTS: Final = ("exceptions", "reservations")
_OF_AN_ENTRY: Final = 2
"""So many steps has the path of an entry of these lists."""


@dataclass(frozen=True, slots=True)
class Within:
    """Whose things are told, and of whom."""

    groups: frozenset[GroupName]
    """The groups with all below them, as they are and as they would be."""
    slices: frozenset[SliceId]
    """What these pay."""
    here: frozenset[UserName]
    """Who has a slice or a job that these pay."""
    named: frozenset[UserName]
    """Those of them whose rights by these groups come of no exception of their own."""
    whole: frozenset[UserName]
    """Those of these who have nothing of other groups, and may have nothing by them."""


def preview_within(
    state: PresentState,
    document: QuotaDocument,
    groups: Collection[GroupName],
    now: datetime,
    cards: Iterable[GpuFacts] = (),
) -> tuple[QuotaPreview, Within]:
    """Return what would follow for these groups if ``document``, as it was read, were in force."""
    in_force = document.at(now)
    within = _within(state, in_force, groups)
    people = tuple(each for each in state.people if each.owner in within.here)
    found = preview_quota(replace(state, people=people), document, now, cards)
    payers = {job.job_id: job.group for job in state.jobs.waiting}
    return QuotaPreview(
        beyond=tuple(
            each
            for each in found.beyond
            if each.group in within.groups or (each.group is None and each.owner in within.whole)
        ),
        ranks=tuple(each for each in found.ranks if each.slice_id in within.slices),
        brought_back=tuple(each for each in found.brought_back if each in within.slices),
        claims=Claims(tuple(_claims(found.claims.found, within)), 0),
        jobs=tuple(
            each
            for each in found.jobs
            if each.group in within.groups and payers.get(each.job_id) in within.groups
        ),
        # Which cards keep no guarantee is others' business.
        unmet=tuple(replace(e, left_out=()) for e in found.unmet if e.group in within.groups),
        rights=tuple(_rights(found.rights, within)),
        reservations=tell_reservations(part_alone(document, groups), now),
        warnings=tuple(_warnings(document, found.warnings, groups)),
        budgets=tuple(each for each in found.budgets if each.group in within.groups),
    ), within


def _within(state: PresentState, document: QuotaDocument, groups: Collection[GroupName]) -> Within:
    before = state.held.document
    theirs = with_all_below(before, groups) | with_all_below(document, groups)
    paid = [(each.owner, each.group) for each in state.slices]
    paid += [(each.owner, each.group) for each in (*state.jobs.waiting, *state.jobs.placed)]
    here = frozenset(owner for owner, group in paid if group in theirs)
    elsewhere = frozenset(owner for owner, group in paid if group not in theirs)
    both = before, document
    named = frozenset(
        owner for owner in here if not any(each.exceptions_for(owner) for each in both)
    )
    return Within(
        groups=theirs,
        slices=frozenset(each.slice_id for each in state.slices if each.group in theirs),
        here=here,
        named=named,
        whole=frozenset(
            person.owner
            for person in state.people
            if person.owner in named - elsewhere
            and all(theirs.issuperset(each.groups_of(person.hub_groups)) for each in both)
        ),
    )


def _claims(found: Iterable[Claim], within: Within) -> Iterator[Claim]:
    """Yield the claims on slices of theirs, with these alone."""
    for claim in found:
        calls_back, in_the_way = (
            tuple(each for each in some if each in within.slices)
            for some in (claim.calls_back, claim.in_the_way)
        )
        if calls_back or in_the_way:
            yield replace(claim, calls_back=calls_back, in_the_way=in_the_way)


def _rights(found: Iterable[RightChange], within: Within) -> Iterator[RightChange]:
    for change in found:
        if change.group is not None and change.group not in within.groups:
            continue
        told = within.whole if change.group is None else within.named
        people = tuple(each for each in change.people if each in told)
        if people:
            yield replace(change, people=people)


def _warnings(
    document: QuotaDocument, found: Iterable[DocumentWarning], groups: Iterable[GroupName]
) -> Iterator[DocumentWarning]:
    """Yield the warnings about what the groups' part says, placed as the part has it."""
    placed = places_in_part(document, groups)
    for warning in found:
        path = placed(warning.path)
        if path:
            yield DocumentWarning(path, None, warning.words)


def places_in_part(
    document: QuotaDocument, groups: Iterable[GroupName]
) -> Callable[[KeyPath], KeyPath]:
    """Return where the part of these groups has what the document has at a path.

    Empty: nowhere; also of what an entry of a list says, which others' sums are set beside.
    """
    tops = [name for name in groups if name in document.all_groups]
    paths = {key_path(document.path_of(name)): name for name in tops}
    alone = part_alone(document, tops)
    entries: Mapping[str, dict[int, int]] = {
        _LISTS[0]: _positions(document.exceptions, alone.exceptions),
        _LISTS[1]: _positions(document.reservations, alone.reservations),
    }

    def place(path: KeyPath) -> KeyPath:
        if len(path) == _OF_AN_ENTRY and path[0] in entries and isinstance(path[1], int):
            position = entries[str(path[0])].get(path[1])
            return () if position is None else (path[0], position)
        for length in range(2, len(path) + 1, 2):
            if path[:length] in paths:
                return ("groups", paths[path[:length]], *path[length:])
        return ()

    return place


def _positions(written: Iterable[object], own: Iterable[object]) -> dict[int, int]:
    """Return at which place of its own list each entry is that is theirs, by the whole list's."""
    kept = {id(each): position for position, each in enumerate(own)}
    return {at: kept[id(each)] for at, each in enumerate(written) if id(each) in kept}
