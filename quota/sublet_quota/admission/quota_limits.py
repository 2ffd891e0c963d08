"""The limits of quotas: a user's, those of the groups that a slice counts for, and guarantees."""

from functools import partial
from math import inf

from sublet_quota.amounts.gpu_amounts import GpuAmount
from sublet_quota.document.rights import Rights, as_number
from sublet_quota.holdings.group_totals import less
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.names.ids import GroupName, PoolName
from sublet_quota.reasons.refusal import Refusal
from sublet_quota.reasons.refusals.limits import LimitRefusal
from sublet_quota.reasons.refusals.refuse import refuse
from sublet_quota.reasons.refusals.room import RoomRefusal


def refuse_one_more_slice(holdings: Holdings, rights: Rights) -> Refusal | None:
    """Return why a user may not have one slice more; ``None``: they may."""
    held = holdings.totals.of_user(rights.owner, None).slices
    if rights.most_slices is None or held < rights.most_slices:
        return None
    return refuse(
        LimitRefusal.USER_SLICES,
        owner=rights.owner,
        slices=held,
        most_slices=rights.most_slices,
    )


def refuse_beyond_user_limit(
    holdings: Holdings, rights: Rights, amount: GpuAmount
) -> Refusal | None:
    """Return why so much would take a user beyond their limits; ``None``: it would not."""
    return _refuse_beyond_limit(
        holdings.totals.of_user(rights.owner, None).amount,
        amount,
        (rights.limit_mib, rights.limit_milli),
        (LimitRefusal.USER_MEMORY, LimitRefusal.USER_COMPUTE),
        owner=rights.owner,
    )


def _refuse_beyond_limit(
    held: GpuAmount,
    asked: GpuAmount,
    limits: tuple[int | None, int | None],
    codes: tuple[LimitRefusal, LimitRefusal],
    **whose: str,
) -> Refusal | None:
    """Return which limit would be passed, in MiB or in milli-GPU; ``None``: neither."""
    (limit_mib, limit_milli), (of_memory, of_compute) = limits, codes
    if _is_beyond(held.memory_mib, asked.memory_mib, limit_mib):
        return refuse(
            of_memory,
            **whose,
            asked_mib=asked.memory_mib,
            used_mib=held.memory_mib,
            limit_mib=limit_mib,
        )
    if _is_beyond(held.compute_milli, asked.compute_milli, limit_milli):
        return refuse(
            of_compute,
            **whose,
            asked_milli=asked.compute_milli,
            used_milli=held.compute_milli,
            limit_milli=limit_milli,
        )
    return None


def _is_beyond(used: int, asked: int, limit: int | None) -> bool:
    return limit is not None and used + asked > limit


def group_to_charge(
    holdings: Holdings, rights: Rights, pool: PoolName, amount: GpuAmount
) -> tuple[GroupName, ...] | Refusal:
    """Return the group on whose account the slice comes, or why none has room.

    Of several with room it is one whose guarantee has room, else the one furthest below its limit.
    """
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
    return (max(with_room, key=partial(_room_below_limits, holdings)),)


def _room_below_limits(holdings: Holdings, group: GroupName) -> tuple[float, float]:
    limit, use = holdings.document.groups[group].limit, holdings.totals.of_group(group, None).amount
    memory, compute = as_number(limit.memory, None), as_number(limit.compute, None)
    return (
        inf if memory is None else memory - use.memory_mib,
        inf if compute is None else compute - use.compute_milli,
    )


def _refuse_beyond_group_limits(
    holdings: Holdings, group: GroupName, amount: GpuAmount
) -> Refusal | None:
    quota = holdings.document.groups[group]
    use = holdings.totals.of_group(group, None)
    most = as_number(quota.most_slices, None)
    if most is not None and use.slices >= most:
        return refuse(LimitRefusal.GROUP_SLICES, group=group, slices=use.slices, most_slices=most)
    return _refuse_beyond_limit(
        use.amount,
        amount,
        (as_number(quota.limit.memory, None), as_number(quota.limit.compute, None)),
        (LimitRefusal.GROUP_MEMORY, LimitRefusal.GROUP_COMPUTE),
        group=group,
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
    if kept.memory_mib and amount.memory_mib > room.memory_mib - kept.memory_mib:
        return refuse(
            RoomRefusal.MEMORY_KEPT_FOR_OTHERS,
            pool=pool,
            asked_mib=amount.memory_mib,
            free_mib=room.memory_mib,
            kept_mib=kept.memory_mib,
        )
    if kept.compute_milli and amount.compute_milli > room.compute_milli - kept.compute_milli:
        return refuse(
            RoomRefusal.COMPUTE_KEPT_FOR_OTHERS,
            pool=pool,
            asked_milli=amount.compute_milli,
            free_milli=room.compute_milli,
            kept_milli=kept.compute_milli,
        )
    return None
