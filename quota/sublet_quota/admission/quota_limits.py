"""The limits of quotas: a user's, those of the groups that a slice counts for, and guarantees."""

from sublet_quota.amounts.gpu_amounts import GpuAmount, format_compute, format_memory
from sublet_quota.document.rights import Rights, as_number
from sublet_quota.holdings.group_totals import less
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.names.ids import GroupName, PoolName
from sublet_quota.reasons.refusal import Refusal, RefusalReason


def refuse_one_more_slice(holdings: Holdings, rights: Rights) -> Refusal | None:
    """Return why a user may not have one slice more; ``None``: they may."""
    held = holdings.totals.of_user(rights.owner, None).slices
    if rights.most_slices is None or held < rights.most_slices:
        return None
    return Refusal(
        RefusalReason.TOO_MANY_SLICES,
        f"'{rights.owner}' has {_slices(held)} and may have {rights.most_slices}. "
        "Stop another server first.",
        {"slices": held, "most_slices": rights.most_slices},
    )


def refuse_beyond_user_limit(
    holdings: Holdings, rights: Rights, amount: GpuAmount
) -> Refusal | None:
    """Return why so much would take a user beyond their limits; ``None``: it would not."""
    held = holdings.totals.of_user(rights.owner, None).amount
    limits = (rights.limit_mib, rights.limit_milli)
    return _refuse_beyond_limit(f"'{rights.owner}'", RefusalReason.USER_LIMIT, amount, held, limits)


def _refuse_beyond_limit(
    who: str,
    reason: RefusalReason,
    amount: GpuAmount,
    held: GpuAmount,
    limits: tuple[int | None, int | None],
) -> Refusal | None:
    """Return which limit, of memory or of compute, would be passed, or ``None``."""
    advice = (
        "Stop another server, or pick a smaller size."
        if reason is RefusalReason.USER_LIMIT
        else "Wait until a member stops a server, or pick a smaller size."
    )
    for name, unit, asked, used, limit in (
        ("memory", "mib", amount.memory_mib, held.memory_mib, limits[0]),
        ("compute", "milli", amount.compute_milli, held.compute_milli, limits[1]),
    ):
        if limit is None or used + asked <= limit:
            continue
        written = format_memory if unit == "mib" else format_compute
        return Refusal(
            reason,
            f"{who} has {written(used)} of {name} and may have {written(limit)}: "
            f"{written(asked)} more is too much. {advice}",
            {f"asked_{unit}": asked, f"used_{unit}": used, f"limit_{unit}": limit},
        )
    return None


def group_to_charge(
    holdings: Holdings, rights: Rights, pool: PoolName, amount: GpuAmount
) -> tuple[GroupName, ...] | Refusal:
    """Return the group on whose account the slice comes, or why none has room."""
    if not rights.groups:
        return ()
    refusals: list[Refusal] = []
    with_room: list[GroupName] = []
    for group in rights.groups:
        refusal = _refuse_beyond_group_limits(holdings, group, amount)
        if refusal is None:
            with_room.append(group)
        else:
            refusals.append(refusal)
    if not with_room:
        return refusals[0]
    for group in with_room:
        if amount.fits_in(holdings.totals.unused_of_group(group, pool)):
            return (group,)
    return (with_room[0],)


def _refuse_beyond_group_limits(
    holdings: Holdings, group: GroupName, amount: GpuAmount
) -> Refusal | None:
    quota = holdings.document.groups[group]
    use = holdings.totals.of_group(group, None)
    most = as_number(quota.most_slices, None)
    if most is not None and use.slices >= most:
        return Refusal(
            RefusalReason.GROUP_LIMIT,
            f"Group '{group}' has {_slices(use.slices)} and may have {most}. "
            "Wait until a member stops a server.",
            {"slices": use.slices, "most_slices": most},
        )
    limits = (as_number(quota.limit.memory, None), as_number(quota.limit.compute, None))
    return _refuse_beyond_limit(
        f"Group '{group}'", RefusalReason.GROUP_LIMIT, amount, use.amount, limits
    )


def refuse_what_is_kept_for_others(
    holdings: Holdings,
    rights: Rights,
    pool: PoolName,
    amount: GpuAmount,
    groups: tuple[GroupName, ...],
) -> Refusal | None:
    """Return why so much would take what others are guaranteed and do not use, or ``None``."""
    totals = holdings.totals
    own = [
        totals.unused_of_user(rights.owner, pool),
        *(totals.unused_of_group(group, pool) for group in groups),
    ]
    if any(amount.fits_in(unused) for unused in own):
        return None
    room = holdings.room_in(pool)
    kept = totals.unused(pool)
    for unused in own:
        kept = less(kept, unused)
    for name, unit, asked, free, for_others in (
        ("memory", "mib", amount.memory_mib, room.memory_mib, kept.memory_mib),
        ("compute", "milli", amount.compute_milli, room.compute_milli, kept.compute_milli),
    ):
        if for_others and asked > free - for_others:
            written = format_memory if unit == "mib" else format_compute
            return Refusal(
                RefusalReason.NO_ROOM,
                f"Pool '{pool}' has {written(free)} of {name} left, of which "
                f"{written(for_others)} is guaranteed to others: {written(asked)} more does not "
                "fit. Pick a smaller size, or wait until somebody stops a server.",
                {f"asked_{unit}": asked, f"free_{unit}": free, f"kept_{unit}": for_others},
            )
    return None


def _slices(count: int) -> str:
    return "1 slice" if count == 1 else f"{count} slices"
