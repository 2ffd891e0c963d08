"""The queue of jobs: which goes to which GPU now, and why each of the others waits.

Jobs are served in their order: entitled ones where their groups are guaranteed room, whatever
others borrow there (``entitled_places``); all others on the tightest GPU that can lend what they
need, where rights and limits let them; cards of the type of which one is entitled to its own go
first. One that fits nowhere now does not hold up those behind it, with one exception: a GPU on
which it would fit but for the jobs that run there is kept for it, so that small jobs never starve a
large one, and what comes free below a limit, or in a node's host memory, likewise. A job that can
run on one node alone is placed there, or waits for that node. Where one could begin if another of
the same plan went elsewhere, that one goes there (``exchanges``).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from sublet_quota.amounts.gpu_amounts import format_cards, format_memory
from sublet_quota.holdings.host_memory import HostMemory
from sublet_quota.jobs.entitled_places import EntitledPlace, EntitledPlaces
from sublet_quota.jobs.exchanges import Exchanges
from sublet_quota.jobs.job_placement import JobPlacement
from sublet_quota.jobs.lendable_room import LendableGpu, LendableRoom
from sublet_quota.jobs.payers.job_limits import JobLimits, MetLimit
from sublet_quota.jobs.payers.plan_bounds import PlanBounds
from sublet_quota.jobs.payers.recharged_jobs import RechargedJobs
from sublet_quota.jobs.waiting_job import WaitingJob
from sublet_quota.names.ids import JobId
from sublet_quota.reasons.waiting import FullLimit, KeptGpu, QueueReason, QueueWait
from sublet_quota.shares.limits import LimitKind
from sublet_quota.shares.lots import lot_of


@dataclass(frozen=True, slots=True)
class JobWait:
    """A job's place in the queue, and why it waits."""

    job_id: JobId
    place: int
    """The place in the queue; 1 for the next."""
    why: QueueWait


@dataclass(frozen=True, slots=True)
class QueuePlan:
    """The plan for the waiting jobs: who is placed, and why the others wait."""

    placements: tuple[JobPlacement, ...] = ()
    waits: tuple[JobWait, ...] = ()


@dataclass(frozen=True, slots=True)
class BesideOthers:
    """What a plan may make of others for a job, and what it leaves to them."""

    by_right: EntitledPlaces | None = None
    """Where entitled jobs have their places whatever others borrow; ``None``: nowhere."""
    recharged: RechargedJobs | None = None
    """The running jobs that other groups could pay for; ``None``: none."""
    host_memory: HostMemory | None = None
    """What suspended slices may take on each node: a job that has lent room finds its whole cap
    there. ``None``: that bounds nothing.
    """
    lot: Callable[[str], int] = lot_of
    """By which kinds of GPU that are alike come in an order."""


NOTHING_BESIDE: Final = BesideOthers()


def plan_queue(
    jobs: Sequence[WaitingJob],
    gpus: Iterable[LendableGpu],
    *,
    lending: bool,
    limits: JobLimits | None = None,
    beside: BesideOthers = NOTHING_BESIDE,
) -> QueuePlan:
    """Return what can be placed of ``jobs``, which are in their order, and why others wait.

    ``limits``: what payers and owners may have; ``None``: nothing is limited. ``beside``: what may
    become of others for a job, and what it leaves to them.
    """
    room = LendableRoom(gpus, beside.host_memory, beside.lot)
    bounds = PlanBounds(limits)
    exchanges = Exchanges(room, bounds, beside.recharged)
    waits: list[JobWait] = []
    for job in jobs:
        _come_first(job, room, beside)
    for job in jobs:
        found = _found(job, room, bounds, beside) if lending else None
        if found is None and lending and exchanges.make_room(job):
            found = _found(job, room, bounds, beside)
        if found is not None:
            exchanges.note(found)
        else:
            why = _why(job, room, bounds, lending=lending)
            waits.append(JobWait(job.job_id, len(waits) + 1, why))
    return QueuePlan(exchanges.placements(), tuple(waits))


def _come_first(job: WaitingJob, room: LendableRoom, beside: BesideOthers) -> None:
    """Let an entitled job have its part of the guarantee before any that is charged elsewhere."""
    kinds = (kind for kind, name in room.fitting_kinds(job).items() if name == job.entitled_on)
    cards = max(map(job.cards_on, kinds), default=None)
    if beside.recharged is not None and job.entitled_on is not None and cards is not None:
        beside.recharged.comes_before(job, job.entitled_on, cards)


def _found(
    job: WaitingJob, room: LendableRoom, bounds: PlanBounds, beside: BesideOthers
) -> JobPlacement | None:
    """Give a job its place, if it has one now, maybe as another job is charged elsewhere."""
    found = (
        _placed(job, room, bounds, beside)
        or _let_in(job, room, bounds, beside)
        or _let_in_by_right(job, room, bounds, beside)
    )
    gpu = None if found is None else room.gpu(found.gpu_id)
    if found is None or gpu is None or beside.recharged is None or job.entitled_on is not None:
        return found
    cards = found.job.cards_on(gpu.facts.kind)
    beside.recharged.comes_before(found.job, gpu.gpu_type, cards)
    return found


def _placed(
    job: WaitingJob, room: LendableRoom, bounds: PlanBounds, beside: BesideOthers
) -> JobPlacement | None:
    """Give a job its place, by right or where room is lent; ``None``: it has none now."""
    by_right = beside.by_right
    return _due(job, room, bounds, by_right) or _fit(job, room, bounds, by_right)


def _let_in(
    job: WaitingJob, room: LendableRoom, bounds: PlanBounds, beside: BesideOthers
) -> JobPlacement | None:
    """Give a job a place that a limit alone keeps from it, by charging another job elsewhere."""
    kinds = room.fitting_kinds(job)
    if beside.recharged is None or not kinds or bounds.within(job, kinds):
        return None
    for change in beside.recharged.tried(job):
        if not bounds.within(job, kinds):
            continue
        placed = _placed(job, room, bounds, beside)
        if placed is not None:
            beside.recharged.keep(change)
            return replace(placed, recharged=(change.told,))
    return None


def _let_in_by_right(
    job: WaitingJob, room: LendableRoom, bounds: PlanBounds, beside: BesideOthers
) -> JobPlacement | None:
    """Give a job the place that it is due once another job fills the guarantee no longer."""
    if beside.by_right is None or beside.recharged is None or beside.recharged.is_empty:
        return None
    if job.entitled_on is not None:
        return None
    kinds = room.fitting_kinds(job)
    for change, due in beside.recharged.tried_by_right(job, bounds.within(job, kinds)):
        placed = _due(due, room, bounds, beside.by_right)
        if placed is not None:
            beside.recharged.keep(change)
            return replace(placed, recharged=(change.told,))
    return None


def _due(
    job: WaitingJob, room: LendableRoom, bounds: PlanBounds, by_right: EntitledPlaces | None
) -> JobPlacement | None:
    """Give an entitled job the place that it is due; ``None``: it is due none now."""
    if by_right is None or job.entitled_on is None:
        return None
    place = by_right.find(job, bounds.within(job, room.kinds_for(job)))
    gpu = None if place is None else room.gpu(place.gpu_id)
    if place is None or gpu is None:
        return None
    amount = job.amount_on(gpu.facts.kind)
    by_right.take(place, job, amount)
    room.take_away(gpu, amount.memory_mib)
    bounds.take(job, gpu)
    return JobPlacement(job, place.gpu_id, gpu.pool, amount, place.calls_back)


def _fit(
    job: WaitingJob, room: LendableRoom, bounds: PlanBounds, by_right: EntitledPlaces | None
) -> JobPlacement | None:
    """Give a job room that is lent, maybe at another group's expense; ``None``: there is none."""
    for payer in (job, *job.instead):
        kinds = room.kinds_for(payer)
        if room.best_fit(payer, kinds) is None or not bounds.may_pay(payer, job):
            continue
        kinds = bounds.within(payer, kinds)
        # What the job is entitled to it has on cards of that type.
        entitled = {k: name for k, name in kinds.items() if name == payer.entitled_on}
        gpu = room.best_fit(payer, entitled) or room.best_fit(payer, kinds)
        if gpu is not None:
            amount = payer.amount_on(gpu.facts.kind)
            room.take(gpu, amount.memory_mib)
            bounds.take(payer, gpu)
            if by_right is not None and payer.entitled_on is not None:
                by_right.take(EntitledPlace(gpu.facts.gpu_id, ()), payer, amount)
            return JobPlacement(payer, gpu.facts.gpu_id, gpu.pool, amount)
    return None


def _why(job: WaitingJob, room: LendableRoom, bounds: PlanBounds, *, lending: bool) -> QueueWait:
    there = room.kinds_for(job, anywhere=True)
    kinds = room.kinds_for(job)
    large_enough = {kind: name for kind, name in kinds.items() if job.fits_on(kind)}
    within = bounds.within(job, large_enough)
    needs = (job.amount_on(kind).memory_mib for kind in within or large_enough or kinds)
    of_all = QueueWait(
        reason=QueueReason.TOO_LITTLE_IDLE,
        need_mib=min(needs, default=job.memory_mib),
        most_mib=room.most_lendable(job, within),
        is_whole=job.memory_mib is None,
        gpu_type=job.gpu_type,
        node=job.node,
    )
    if not lending:
        return replace(of_all, reason=QueueReason.LENDING_OFF)
    if not there:
        return replace(of_all, reason=QueueReason.NO_GPU)
    if not kinds:
        largest = max(kind.usable_mib for kind in there)
        too_large = (job.memory_mib or 1) > largest
        reason = QueueReason.LARGER_THAN_GPU if too_large else QueueReason.NOT_ALLOWED
        return replace(of_all, reason=reason, largest_mib=largest)
    if not large_enough:
        largest = max(kind.usable_mib for kind in kinds)
        return replace(of_all, reason=QueueReason.LARGER_THAN_GPU, largest_mib=largest)
    if not within:
        met = (bounds.met(job, kind, name) for kind, name in large_enough.items())
        limit = next((each for each in met if each is not None), None)
        full = None if limit is None else _full(limit)
        if limit is not None and not limit.kept:
            bounds.keep_full(job, large_enough)
        return replace(of_all, reason=QueueReason.LIMIT_FULL, limit=full)
    kept = room.keep_for(job, within)
    behind = () if kept is not None else room.kept_for_others(job, within)
    if behind:
        return replace(of_all, reason=QueueReason.BEHIND_OTHERS, behind=behind)
    if kept is None:
        host_mib = room.most_in_host_memory(job, within)
        if host_mib is not None:
            room.keep_host_memory_for(job, within)
            return replace(of_all, reason=QueueReason.HOST_MEMORY, host_mib=host_mib)
        return of_all
    bounds.keep(job, kept)
    return replace(
        of_all,
        reason=QueueReason.GPU_KEPT,
        need_mib=job.amount_on(kept.facts.kind).memory_mib,
        kept=KeptGpu(kept.facts.node, kept.facts.index),
    )


def _full(met: MetLimit) -> FullLimit:
    bound = met.bound
    match bound.kind:
        case LimitKind.MEMORY:
            has, may_have = format_memory(int(bound.held)), format_memory(int(bound.limit))
        case LimitKind.SLICES:
            slices = "1 slice" if bound.held == 1 else f"{bound.held} slices"
            has, may_have = slices, str(bound.limit)
        case LimitKind.TYPE | LimitKind.CARDS:
            of = "" if bound.gpu_type is None else f" of {bound.gpu_type}"
            has, may_have = format_cards(bound.held) + of, format_cards(bound.limit) + of
    return FullLimit(met.group, has, may_have, met.line, kept=met.kept)
