"""Whether somebody may have a slice: admitted, or refused with the reason and the numbers.

What is checked, in this order: the size or the amounts, the pool, the GPUs that are there, the
largest slice a GPU takes, how many slices and how much the user may have, what the user's
groups may have together, what is guaranteed to others. Whether a GPU has room is placement's
question.

A slice goes on the account of one group: of those of the user's groups that the document knows,
in its order, the first whose guarantee covers the slice, else the first whose limits do. Only
when none has room left is it refused: of several groups the most generous counts. Who is in no
group that the document knows is on no group's account.
"""

from dataclasses import dataclass
from typing import Final

from sublet_quota.admission.quota_limits import (
    group_to_charge,
    refuse_beyond_user_limit,
    refuse_one_more_slice,
    refuse_what_is_kept_for_others,
)
from sublet_quota.admission.slice_request import RequestedSlice, Wanted, amount_of, read_wish
from sublet_quota.amounts.gpu_amounts import WHOLE_GPU_MILLI, GpuAmount
from sublet_quota.amounts.gpu_kind import GpuKind
from sublet_quota.document.rights import Rights, rights_of
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.holdings.room_index import RoomIndex
from sublet_quota.names.ids import GroupName, PoolName, SizeName, UserName
from sublet_quota.reasons.refusal import Refusal, RefusalReason
from sublet_quota.reasons.refusals.refuse import refuse
from sublet_quota.reasons.refusals.room import RoomRefusal
from sublet_quota.reasons.refusals.sizes import SizeRefusal


@dataclass(frozen=True, slots=True)
class AdmittedKind:
    """A slice as it would be on GPUs of one kind, and on which groups' account."""

    kind: GpuKind
    amount: GpuAmount
    groups: tuple[GroupName, ...]


@dataclass(frozen=True, slots=True)
class Admitted:
    """The quotas allow the slice, on GPUs of these kinds."""

    owner: UserName
    pool: PoolName
    size: SizeName | None
    kinds: tuple[AdmittedKind, ...]
    """The kinds of GPU that the slice may be on; never empty."""


def admit(holdings: Holdings, wish: RequestedSlice) -> Admitted | Refusal:
    """Return what the quotas allow of what is wished for, or why nothing."""
    rights = rights_of(holdings.document, wish.owner, wish.groups)
    wanted = read_wish(holdings.document, rights, wish)
    if isinstance(wanted, Refusal):
        return wanted
    kinds = _kinds_there(holdings, wanted, wish)
    if isinstance(kinds, Refusal):
        return kinds
    if (refusal := refuse_one_more_slice(holdings, rights)) is not None:
        return refusal
    refusals: list[Refusal] = []
    admitted: list[AdmittedKind] = []
    for kind in kinds:
        answer = _admit_on(holdings, rights, wanted, kind)
        if isinstance(answer, Refusal):
            refusals.append(answer)
        else:
            admitted.append(answer)
    if admitted:
        return Admitted(rights.owner, wanted.pool, wanted.name, tuple(admitted))
    return max(refusals, key=lambda refusal: _ORDER_OF_CHECKS.index(refusal.reason))


_ORDER_OF_CHECKS: Final = (
    RefusalReason.SIZE_NOT_ALLOWED,
    RefusalReason.USER_LIMIT,
    RefusalReason.GROUP_LIMIT,
    RefusalReason.TOO_MANY_SLICES,
    RefusalReason.NO_ROOM,
)
"""The order of the checks: where the kinds of GPU answer differently, what came furthest is said.
"""


def _kinds_there(
    holdings: Holdings, wanted: Wanted, wish: RequestedSlice
) -> tuple[GpuKind, ...] | Refusal:
    """Return the kinds with an open GPU that takes so large a slice, smallest amount first."""
    everywhere = holdings.kinds_in(wanted.pool)
    there = {k: v for k, v in everywhere.items() if k.is_type(wish.gpu_type)}
    if not there:
        if not everywhere:
            return refuse(RoomRefusal.NO_GPU, pool=wanted.pool)
        types = tuple(sorted({kind.type for kind in everywhere}))
        return refuse(
            RoomRefusal.NO_GPU_OF_TYPE, pool=wanted.pool, asked_type=wish.gpu_type, types=types
        )
    opened = [kind for kind, index in there.items() if index.rooms]
    if not opened:
        return _all_closed(wanted.pool, there)
    large_enough = [kind for kind in opened if _fits_on_empty(wanted.on(kind), kind)]
    if not large_enough:
        return _larger_than_gpu(wanted, max(opened, key=lambda kind: kind.usable_mib))
    return tuple(
        sorted(large_enough, key=lambda k: (wanted.on(k).memory_mib, k.usable_mib, k.type))
    )


def _fits_on_empty(amount: GpuAmount, kind: GpuKind) -> bool:
    return 1 <= amount.memory_mib <= kind.usable_mib and amount.compute_milli <= WHOLE_GPU_MILLI


def _all_closed(pool: PoolName, there: dict[GpuKind, RoomIndex]) -> Refusal:
    reasons = sorted({reason for index in there.values() for reason in index.closed.values()})
    count = sum(len(index.closed) for index in there.values())
    return refuse(RoomRefusal.GPUS_CLOSED, pool=pool, closed_gpus=count, why_closed=tuple(reasons))


def _larger_than_gpu(wanted: Wanted, largest: GpuKind) -> Refusal:
    return refuse(
        RoomRefusal.LARGER_THAN_GPU,
        asked=wanted.on(largest),
        pool=wanted.pool,
        largest=GpuAmount(largest.usable_mib, WHOLE_GPU_MILLI),
        gpu_type=largest.type,
    )


def _admit_on(
    holdings: Holdings, rights: Rights, wanted: Wanted, kind: GpuKind
) -> AdmittedKind | Refusal:
    amount = wanted.on(kind)
    if not wanted.may_be_had_on(kind):
        return _above_all_sizes(rights, wanted, kind)
    over = refuse_beyond_user_limit(holdings, rights, amount)
    if over is not None:
        return over
    groups = group_to_charge(holdings, rights, wanted.pool, amount)
    if isinstance(groups, Refusal):
        return groups
    taken = refuse_what_is_kept_for_others(holdings, rights, wanted.pool, amount, groups)
    return AdmittedKind(kind, amount, groups) if taken is None else taken


def _above_all_sizes(rights: Rights, wanted: Wanted, kind: GpuKind) -> Refusal:
    largest = max(
        (amount_of(size, kind) for size in wanted.up_to),
        key=lambda amount: (amount.memory_mib, amount.compute_milli),
        default=None,
    )
    owner, asked, pool = rights.owner, wanted.on(kind), wanted.pool
    if largest is None:
        return refuse(SizeRefusal.AMOUNT_WITHOUT_SIZES, owner=owner, asked=asked, pool=pool)
    return refuse(SizeRefusal.ABOVE_ALL_SIZES, owner=owner, asked=asked, pool=pool, largest=largest)
