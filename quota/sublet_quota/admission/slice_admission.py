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
from sublet_quota.document.rights import Rights, rights_of
from sublet_quota.holdings.gpu_load import GpuKind
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.holdings.room_index import RoomIndex
from sublet_quota.names.ids import GroupName, PoolName, SizeName, UserName
from sublet_quota.reasons.refusal import Refusal, RefusalReason, quoted


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
        types = ", ".join(sorted({kind.type for kind in everywhere}))
        asked = f" of type {quoted(wish.gpu_type)}" if wish.gpu_type and everywhere else ""
        hint = f" There are: {types}." if types else " An administrator can add some."
        return Refusal(RefusalReason.NO_GPU, f"Pool '{wanted.pool}' has no GPU{asked} now.{hint}")
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
    shown = "; ".join(reasons[:3]) + ("; ..." if len(reasons) > 3 else "")  # noqa: PLR2004
    closed = "the only GPU is" if count == 1 else f"all {count} GPUs are"
    return Refusal(
        RefusalReason.GPU_CLOSED,
        f"In pool '{pool}' {closed} closed to new slices: {shown}. Try again later.",
        {"closed_gpus": count},
    )


def _larger_than_gpu(wanted: Wanted, largest: GpuKind) -> Refusal:
    amount = wanted.on(largest)
    most = GpuAmount(largest.usable_mib, WHOLE_GPU_MILLI)
    return Refusal(
        RefusalReason.LARGER_THAN_GPU,
        f"{amount} is more than one GPU of pool '{wanted.pool}' can give: at most {most} on "
        f"{largest.type}. Ask for less.",
        {
            "asked_mib": amount.memory_mib,
            "asked_milli": amount.compute_milli,
            "largest_mib": most.memory_mib,
            "largest_milli": most.compute_milli,
        },
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
    asked = wanted.on(kind)
    allowed = (
        f"the largest size they may pick in pool '{wanted.pool}' is {largest}. Ask for less"
        if largest is not None
        else f"they may pick no size in pool '{wanted.pool}'. Ask an administrator for one"
    )
    numbers = {"asked_mib": asked.memory_mib, "asked_milli": asked.compute_milli}
    if largest is not None:
        numbers |= {"largest_mib": largest.memory_mib, "largest_milli": largest.compute_milli}
    message = f"'{rights.owner}' may not have {asked}: {allowed}."
    return Refusal(RefusalReason.SIZE_NOT_ALLOWED, message, numbers)
