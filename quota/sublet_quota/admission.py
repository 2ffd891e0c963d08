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

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from sublet_quota.accounts import Use
from sublet_quota.amounts import WHOLE_GPU_MILLI, GpuAmount, format_compute, format_memory
from sublet_quota.gpu_load import GpuKind
from sublet_quota.holdings import Holdings
from sublet_quota.ids import GroupName, PoolName, SizeName, UserName
from sublet_quota.refusal import Refusal, RefusalReason, quoted
from sublet_quota.rights import Rights, as_number, rights_of
from sublet_quota.room_index import RoomIndex
from sublet_quota.wish import SliceWish, Wanted, amount_of, read_wish


@dataclass(frozen=True, slots=True)
class AdmittedKind:
    """What the slice would be on GPUs of one kind, and on which groups' account."""

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
    """Never empty."""


def admit(holdings: Holdings, wish: SliceWish) -> Admitted | Refusal:
    """Say whether the quotas allow what is wished for."""
    rights = rights_of(holdings.document, wish.owner, wish.groups)
    wanted = read_wish(holdings.document, rights, wish)
    if isinstance(wanted, Refusal):
        return wanted
    kinds = _kinds_there(holdings, wanted, wish)
    if isinstance(kinds, Refusal):
        return kinds
    if (refusal := _too_many_slices(holdings, rights)) is not None:
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
"""Where the kinds of GPU answer differently, what came furthest is said."""


def _kinds_there(
    holdings: Holdings, wanted: Wanted, wish: SliceWish
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


def _too_many_slices(holdings: Holdings, rights: Rights) -> Refusal | None:
    held = holdings.accounts.of_user(rights.owner, None).slices
    if rights.most_slices is None or held < rights.most_slices:
        return None
    return Refusal(
        RefusalReason.TOO_MANY_SLICES,
        f"'{rights.owner}' has {_slices(held)} and may have {rights.most_slices}. "
        "Stop another server first.",
        {"slices": held, "most_slices": rights.most_slices},
    )


def _admit_on(
    holdings: Holdings, rights: Rights, wanted: Wanted, kind: GpuKind
) -> AdmittedKind | Refusal:
    amount = wanted.on(kind)
    if not wanted.may_be_had_on(kind):
        return _above_all_sizes(rights, wanted, kind)
    held = holdings.accounts.of_user(rights.owner, None).amount
    limits = (rights.limit_mib, rights.limit_milli)
    over = _over_limit(f"'{rights.owner}'", RefusalReason.USER_LIMIT, amount, held, limits)
    if over is not None:
        return over
    groups = _group_to_charge(holdings, rights, wanted.pool, amount)
    if isinstance(groups, Refusal):
        return groups
    taken = _kept_for_others(holdings, rights, wanted.pool, amount, groups)
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


def _over_limit(
    who: str,
    reason: RefusalReason,
    amount: GpuAmount,
    held: GpuAmount,
    limits: tuple[int | None, int | None],
) -> Refusal | None:
    """Say which limit, of memory or of compute, would be passed, or nothing."""
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


def _group_to_charge(
    holdings: Holdings, rights: Rights, pool: PoolName, amount: GpuAmount
) -> tuple[GroupName, ...] | Refusal:
    if not rights.groups:
        return ()
    refusals: list[Refusal] = []
    with_room: list[GroupName] = []
    for group in rights.groups:
        refusal = _over_group_limits(holdings, group, amount)
        if refusal is None:
            with_room.append(group)
        else:
            refusals.append(refusal)
    if not with_room:
        return refusals[0]
    for group in with_room:
        if amount.fits_in(holdings.accounts.unused_of_group(group, pool)):
            return (group,)
    return (with_room[0],)


def _over_group_limits(holdings: Holdings, group: GroupName, amount: GpuAmount) -> Refusal | None:
    quota = holdings.document.groups[group]
    use: Use = holdings.accounts.of_group(group, None)
    most = as_number(quota.most_slices, None)
    if most is not None and use.slices >= most:
        return Refusal(
            RefusalReason.GROUP_LIMIT,
            f"Group '{group}' has {_slices(use.slices)} and may have {most}. "
            "Wait until a member stops a server.",
            {"slices": use.slices, "most_slices": most},
        )
    limits = (as_number(quota.limit.memory, None), as_number(quota.limit.compute, None))
    return _over_limit(f"Group '{group}'", RefusalReason.GROUP_LIMIT, amount, use.amount, limits)


def _kept_for_others(
    holdings: Holdings,
    rights: Rights,
    pool: PoolName,
    amount: GpuAmount,
    groups: tuple[GroupName, ...],
) -> Refusal | None:
    """Refuse what would take room that is guaranteed to others and not used by them now."""
    accounts = holdings.accounts
    own = [
        accounts.unused_of_user(rights.owner, pool),
        *(accounts.unused_of_group(group, pool) for group in groups),
    ]
    if any(amount.fits_in(unused) for unused in own):
        return None
    room, kept = holdings.room_in(pool), accounts.unused(pool)
    for name, unit, asked, free, all_kept, own_kept in _parts(amount, room, kept, own):
        for_others = max(0, all_kept - own_kept)
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


def _parts(
    amount: GpuAmount, room: GpuAmount, kept: GpuAmount, own: list[GpuAmount]
) -> Iterator[tuple[str, str, int, int, int, int]]:
    yield (
        "memory",
        "mib",
        amount.memory_mib,
        room.memory_mib,
        kept.memory_mib,
        sum(part.memory_mib for part in own),
    )
    yield (
        "compute",
        "milli",
        amount.compute_milli,
        room.compute_milli,
        kept.compute_milli,
        sum(part.compute_milli for part in own),
    )


def _slices(count: int) -> str:
    return "1 slice" if count == 1 else f"{count} slices"
