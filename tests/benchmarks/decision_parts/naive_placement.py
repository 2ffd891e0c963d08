"""The baseline of the benchmark, and the oracle of a test: the same decision without any index.

For each decision it goes through all slices once and all GPUs twice, in plain numbers. It knows
the rules of admission by itself; only the reading of the wish and of the rights is shared.
"""

from collections import defaultdict
from dataclasses import dataclass, field

from sublet_quota.admission.slice_request import RequestedSlice, read_wish
from sublet_quota.amounts.gpu_amounts import GpuAmount
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.document.rights import Rights, as_number, rights_of
from sublet_quota.document.sections import Guarantee
from sublet_quota.holdings.gpu_load import GpuFacts, GpuLoad, GpuRoom, room_on
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.names.ids import GpuId
from sublet_quota.reasons.refusal import Refusal
from sublet_quota.residency.snapshot import Holder


@dataclass
class Sum:
    """Memory, compute and a count."""

    mib: int = 0
    milli: int = 0
    count: int = 0

    def add(self, amount: GpuAmount) -> None:
        self.mib += amount.memory_mib
        self.milli += amount.compute_milli
        self.count += 1


@dataclass
class Sums:
    """All that one pass over the slices gives."""

    users: defaultdict[tuple[str, str | None], Sum] = field(
        default_factory=lambda: defaultdict(Sum)
    )
    groups: defaultdict[tuple[str, str | None], Sum] = field(
        default_factory=lambda: defaultdict(Sum)
    )
    gpus: defaultdict[str, Sum] = field(default_factory=lambda: defaultdict(Sum))
    fixed: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))


def add_up(holdings: Holdings) -> Sums:
    """Go through all slices."""
    sums = Sums()
    for held in holdings.slices():
        if held.holder is Holder.JOB:
            continue
        sums.gpus[held.gpu_id].add(held.amount)
        if held.unsuspendable:
            sums.fixed[held.gpu_id] += held.amount.memory_mib
        for pool in (None, held.pool):
            sums.users[held.owner, pool].add(held.amount)
            for group in held.groups:
                sums.groups[group, pool].add(held.amount)
    return sums


def decide_naively(holdings: Holdings, asked: RequestedSlice) -> GpuId | None:
    """Return the GPU that the slice goes to, or nothing where it is refused."""
    document = holdings.document
    rights = rights_of(document, asked.owner, asked.groups)
    wanted = read_wish(document, rights, asked)
    if isinstance(wanted, Refusal):
        return None
    sums = add_up(holdings)
    there: list[tuple[GpuFacts, GpuRoom]] = []
    for facts in holdings.gpus():
        if holdings.pool_of(facts.gpu_id) == wanted.pool and facts.closed is None:
            total = sums.gpus[facts.gpu_id]
            load = GpuLoad(GpuAmount(total.mib, total.milli), total.count, sums.fixed[facts.gpu_id])
            there.append((facts, room_on(facts, load, document.pools[wanted.pool])))
    free_mib = sum(max(0, room.shared_mib) for _, room in there)
    free_milli = sum(max(0, room.shared_milli) for _, room in there)
    best: tuple[tuple[bool, int, int, int, str, int, str], GpuId] | None = None
    for facts, room in there:
        amount = wanted.on(facts.kind)
        if not 1 <= amount.memory_mib <= facts.kind.usable_mib or amount.compute_milli > 1000:
            continue
        if not facts.kind.is_type(asked.gpu_type) or not wanted.may_be_had_on(facts.kind):
            continue
        rank = _rank(facts, room, amount)
        if rank is None or (best is not None and rank >= best[0]):
            continue
        free = GpuAmount(free_mib, free_milli)
        if _allowed(document, rights, sums, wanted.pool, amount, free):
            best = (rank, facts.gpu_id)
    return None if best is None else best[1]


def _rank(
    facts: GpuFacts, room: GpuRoom, amount: GpuAmount
) -> tuple[bool, int, int, int, str, int, str] | None:
    if amount.memory_mib > room.largest_mib:
        return None
    for shared, mib, milli in (
        (False, room.alone_mib, room.alone_milli),
        (True, room.shared_mib, room.shared_milli),
    ):
        if amount.memory_mib <= mib and amount.compute_milli <= milli:
            left = mib - amount.memory_mib
            return (shared, left, mib, milli, facts.node, facts.index, facts.gpu_id)
    return None


def _allowed(  # noqa: PLR0913, PLR0917 - everything that quotas ask for
    document: QuotaDocument,
    rights: Rights,
    sums: Sums,
    pool: str,
    amount: GpuAmount,
    free: GpuAmount,
) -> bool:
    mine = sums.users[rights.owner, None]
    if rights.most_slices is not None and mine.count >= rights.most_slices:
        return False
    if not _within(mine, amount, rights.limit_mib, rights.limit_milli):
        return False
    with_room = []
    for group in rights.groups:
        quota, theirs = document.groups[group], sums.groups[group, None]
        most = as_number(quota.most_slices, None)
        limits = (as_number(quota.limit.memory, None), as_number(quota.limit.compute, None))
        if (most is None or theirs.count < most) and _within(theirs, amount, *limits):
            with_room.append(group)
    if rights.groups and not with_room:
        return False
    first = document.first_pool

    def unused(guaranteed: Guarantee | None, used: Sum) -> tuple[int, int]:
        if guaranteed is None or (guaranteed.pool or first) != pool:
            return (0, 0)
        return (max(0, guaranteed.memory - used.mib), max(0, guaranteed.compute - used.milli))

    of_groups = {
        name: unused(quota.guaranteed, sums.groups[name, pool])
        for name, quota in document.groups.items()
        if quota.guaranteed is not None
    }
    of_users = {
        name: unused(quota.guaranteed, sums.users[name, pool])
        for name, quota in document.users.items()
        if quota.guaranteed is not None
    }
    covered = [
        group
        for group in with_room
        if amount.memory_mib <= of_groups.get(group, (0, 0))[0]
        and amount.compute_milli <= of_groups.get(group, (0, 0))[1]
    ]
    charged = (covered or with_room)[:1]
    own = [of_users.get(rights.owner, (0, 0)), *(of_groups.get(g, (0, 0)) for g in charged)]
    if any(amount.memory_mib <= mib and amount.compute_milli <= milli for mib, milli in own):
        return True
    kept = [*of_groups.values(), *of_users.values()]
    kept_mib = sum(mib for mib, _ in kept) - sum(mib for mib, _ in own)
    kept_milli = sum(milli for _, milli in kept) - sum(milli for _, milli in own)
    return (not kept_mib or amount.memory_mib <= free.memory_mib - kept_mib) and (
        not kept_milli or amount.compute_milli <= free.compute_milli - kept_milli
    )


def _within(used: Sum, amount: GpuAmount, limit_mib: int | None, limit_milli: int | None) -> bool:
    return (limit_mib is None or used.mib + amount.memory_mib <= limit_mib) and (
        limit_milli is None or used.milli + amount.compute_milli <= limit_milli
    )
