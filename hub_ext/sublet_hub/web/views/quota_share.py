"""What somebody's groups, and they themselves, hold, are guaranteed and may have at most."""

from collections.abc import Iterable, Iterator
from datetime import datetime
from fractions import Fraction
from functools import partial
from typing import Final

from sublet_quota.document.group_limits import limit_of
from sublet_quota.document.rights import Rights
from sublet_quota.document.told_rights import tell_rights
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.holdings.told_guarantees import guarantee_in_force
from sublet_quota.names.ids import GroupName
from sublet_quota.residency.snapshot import Rank
from sublet_quota.shares.cards import NO_CARD
from sublet_quota.shares.group_tree import NodeName
from sublet_quota.shares.limits import Amounts, Limit
from sublet_quota.wire.share import (
    GroupShare,
    JobsShare,
    JobsTypeShare,
    QuotaShare,
    TypeShare,
)

from sublet_hub.ledger.records import SliceRecord

_NONE: Final = Amounts()


def quota_share(
    holdings: Holdings,
    rights: Rights,
    own: Iterable[SliceRecord],
    keep_left_minutes: int,
    now: datetime,
) -> QuotaShare:
    """Return one person's quota: ``own`` are their slices."""
    return QuotaShare(
        groups=tuple(_groups(holdings, rights)),
        own=own_share(holdings, rights, own),
        rights=tell_rights(holdings.document, rights, now, partial(guarantee_in_force, holdings)),
        keep_left_minutes=keep_left_minutes,
    )


def own_share(holdings: Holdings, rights: Rights, own: Iterable[SliceRecord]) -> GroupShare:
    """Return what a person holds, whoever pays: of a person nothing is guaranteed."""
    slices, running = holdings.held_by(rights.owner), holdings.jobs_held_by(rights.owner)
    apart = rights.job_limit
    jobs = running if apart is None else _NONE
    held = slices + jobs
    limit = rights.limit.limit
    entitled = _entitled_cards(holdings, own)
    types = tuple(
        TypeShare(
            gpu_type=name,
            held=_told(held.cards.get(name)),
            jobs=_told(jobs.cards.get(name)),
            entitled=_told(entitled.get(name)),
            borrowed=_borrowed(holdings, name, slices, entitled.get(name)),
            guaranteed=0,
            limit=_limit(limit.types.get(name)),
        )
        for name in sorted({*held.cards, *limit.types})
    )
    told = None if apart is None else _jobs_apart(running, apart.with_jobs.limit)
    return _share(None, (), types, held, limit).model_copy(update={"jobs_apart": told})


def _groups(holdings: Holdings, rights: Rights) -> Iterator[GroupShare]:
    """Go through the groups that may pay or do, and those above them, by their paths."""
    document, left, own = holdings.document, _left(holdings, rights), frozenset(rights.groups)
    paths = {document.path_of(group) for group in (*own, *left)}
    known = {path[: depth + 1] for path in paths for depth in range(len(path))}
    for path in sorted(known):
        name = path[-1]
        told = {"may_pay": name in own, "left": name in left}
        yield group_share(holdings, name).model_copy(update=told)


def _left(holdings: Holdings, rights: Rights) -> frozenset[GroupName]:
    """Return the groups that pay for what somebody holds, who is a member no more."""
    paying = {held.group for held in holdings.slices_of(rights.owner) if held.group is not None}
    known = holdings.document.all_groups
    return frozenset(group for group in paying.difference(rights.groups) if group in known)


def group_share(holdings: Holdings, name: GroupName) -> GroupShare:
    """Return what a group's members together hold, are guaranteed and may have."""
    document, node = holdings.document, NodeName(name)
    group = document.all_groups[name]
    slices, running = holdings.held(node), holdings.jobs_held(node)
    apart = group.jobs.limit
    jobs = running if apart is None else _NONE
    held = slices + jobs
    limit = limit_of(group.limit)
    types = tuple(
        TypeShare(
            gpu_type=each,
            held=_told(held.cards.get(each)),
            jobs=_told(jobs.cards.get(each)),
            entitled=_told(entitled := holdings.position(each).entitled.get(node)),
            borrowed=_borrowed(holdings, each, slices, entitled),
            guaranteed=_told(holdings.tree(each).nodes[node].guaranteed),
            limit=_limit(limit.types.get(each)),
        )
        for each in sorted({*held.cards, *limit.types, *group.guaranteed})
    )
    told = None if apart is None else _jobs_apart(running, limit_of(apart))
    share = _share(name, document.path_of(name), types, held, limit)
    return share.model_copy(update={"jobs_apart": told})


def outside_share(holdings: Holdings) -> GroupShare:
    """Return what is charged to no group: nothing of it is guaranteed, or limited together."""
    leaf = holdings.leaf(None)
    held = holdings.held(leaf) + holdings.jobs_held(leaf)
    jobs = holdings.jobs_held(leaf)
    types = tuple(
        TypeShare(
            gpu_type=each,
            held=_told(held.cards.get(each)),
            jobs=_told(jobs.cards.get(each)),
            entitled=0,
            borrowed=_borrowed(holdings, each, holdings.held(leaf), None),
            guaranteed=0,
            limit=None,
        )
        for each in sorted(held.cards)
    )
    return _share(None, (), types, held, Limit())


def _jobs_apart(running: Amounts, limit: Limit) -> JobsShare:
    types = tuple(
        JobsTypeShare(
            gpu_type=name,
            held=_told(running.cards.get(name)),
            limit=_limit(limit.types.get(name)),
        )
        for name in sorted({*running.cards, *limit.types})
    )
    return JobsShare(
        types=types,
        held_cards=_told(sum(running.cards.values(), NO_CARD)),
        limit_cards=_limit(limit.cards),
        held_mib=running.memory_mib,
        limit_mib=limit.memory_mib,
        running=running.slices,
        most_running=limit.slices,
    )


def _share(
    group: GroupName | None,
    path: tuple[GroupName, ...],
    types: tuple[TypeShare, ...],
    held: Amounts,
    limit: Limit,
) -> GroupShare:
    return GroupShare(
        group=group,
        path=path,
        types=types,
        held_cards=_told(sum(held.cards.values(), NO_CARD)),
        limit_cards=_limit(limit.cards),
        held_mib=held.memory_mib,
        limit_mib=limit.memory_mib,
        slices=held.slices,
        most_slices=limit.slices,
    )


def _entitled_cards(holdings: Holdings, own: Iterable[SliceRecord]) -> dict[str, Fraction]:
    """Return by type the cards of slices that are entitled against everybody."""
    cards: dict[str, Fraction] = {}
    for record in own:
        piece, gpu_type = holdings.piece(record.slice_id), holdings.type_of(record.gpu.gpu_id)
        if piece is None or gpu_type is None:
            continue
        if holdings.rank(record.slice_id) is Rank.ENTITLED:
            cards[gpu_type] = cards.get(gpu_type, NO_CARD) + piece.cards
    return cards


def _borrowed(
    holdings: Holdings, gpu_type: str, slices: Amounts, entitled: Fraction | None
) -> float | None:
    if gpu_type not in holdings.document.types_guaranteed:
        return None
    return float(max(NO_CARD, slices.cards.get(gpu_type, NO_CARD) - (entitled or NO_CARD)))


def _told(cards: Fraction | None) -> float:
    return 0.0 if cards is None else float(cards)


def _limit(cards: Fraction | None) -> float | None:
    return None if cards is None else float(cards)
