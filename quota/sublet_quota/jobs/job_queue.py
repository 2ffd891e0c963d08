"""The queue of jobs: which goes to which GPU now, and why each of the others waits.

Jobs are served in their order: entitled ones where their groups are guaranteed room, whatever
others borrow there (``entitled_places``); all others on a GPU that can lend what they need, where
rights and limits let them: one on which nobody's work is in their way (``card_company``), and of
these the tightest; cards of the type of which one is entitled to its own go first. A job of several
GPUs has them on one node, all or none. One that fits nowhere now does not hold up those behind it:
the GPU where it can begin soonest is kept for it, those behind fill in and make way
(``reservation``), so that small jobs never starve a large one; what comes free below a limit, or in
a node's host memory, is kept likewise. A job that can run on one node alone is placed there, or
waits for that node. Where one could begin if another of the same plan went elsewhere, that one goes
there (``exchanges``).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Final

from sublet_quota.amounts.gpu_amounts import format_cards, format_memory
from sublet_quota.holdings.host_memory import HostMemory
from sublet_quota.jobs.alike_waits import AlikeWaits
from sublet_quota.jobs.backfill.jobs_there import NOBODY_KNOWN, JobsThere
from sublet_quota.jobs.backfill.passed_jobs import PassedJobs
from sublet_quota.jobs.backfill.reservation import Reservation, Reservations
from sublet_quota.jobs.entitled_places import EntitledPlace, EntitledPlaces
from sublet_quota.jobs.exchanges import Exchanges
from sublet_quota.jobs.job_placement import JobPlacement
from sublet_quota.jobs.lent_room.give_backs import GiveBacks
from sublet_quota.jobs.lent_room.lendable_gpus import LendableGpu
from sublet_quota.jobs.lent_room.lendable_room import Kinds, LendableRoom
from sublet_quota.jobs.lent_room.several_gpus import gpus_for
from sublet_quota.jobs.payers.job_limits import JobLimits, MetLimit
from sublet_quota.jobs.payers.plan_bounds import PlanBounds
from sublet_quota.jobs.payers.recharged_jobs import RechargedJobs
from sublet_quota.jobs.waiting_job import WaitingJob
from sublet_quota.names.ids import GpuId, JobId
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
    kept: Mapping[GpuId, WaitingJob] = field(default_factory=dict)
    """For which jobs that wait GPUs are kept."""


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
    give_backs: GiveBacks | None = None
    """Which jobs could never leave in time for owners; ``None``: that is not known."""
    there: JobsThere | None = None
    """The jobs that have their place: when they end, and for whom they make way. ``None``: nothing
    is known of them; then nobody makes way, and nobody fills in.
    """


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
    kept = Reservations(room, beside.there or NOBODY_KNOWN)
    exchanges = Exchanges(room, bounds, beside.recharged, kept.note)
    alike = AlikeWaits(
        lambda: (exchanges.changes, bounds.kept, _tries_left(beside)), kept.is_passed
    )
    waits: list[JobWait] = []
    _come_first(jobs, room, beside)
    for job in jobs:
        known = alike.find(job)
        if known is not None:
            waits.append(JobWait(job.job_id, len(waits) + 1, known))
            continue
        found = _found(job, room, bounds, beside) if lending else None
        if found is None and lending and exchanges.make_room(job):
            found = _found(job, room, bounds, beside)
        if found is None and lending and beside.there is not None:
            found = _beside_others(job, room, bounds, kept)
        if found is not None:
            exchanges.note(found)
        else:
            why = _why(job, room, bounds, beside, kept if lending else None)
            alike.note(job, why)
            waits.append(JobWait(job.job_id, len(waits) + 1, why))
    placements = _filling_in(exchanges.placements(), beside.there)
    return QueuePlan(placements, tuple(waits), kept.for_whom())


def _filling_in(
    placements: tuple[JobPlacement, ...], there: JobsThere | None
) -> tuple[JobPlacement, ...]:
    """Return placements with whom each passes that stands still on its GPUs."""
    if there is None:
        return placements
    passed, found = PassedJobs(there), []
    for each in placements:
        names = passed.on((each.gpu_id, *each.beside), each.job)
        for_whom = tuple(dict.fromkeys((*each.fills_in_for, *names)))
        found.append(replace(each, fills_in_for=for_whom) if names else each)
    return tuple(found)


def _tries_left(beside: BesideOthers) -> int:
    return 0 if beside.recharged is None else beside.recharged.tries_left


def _come_first(jobs: Iterable[WaitingJob], room: LendableRoom, beside: BesideOthers) -> None:
    """Let entitled jobs have their part of the guarantee before any that is charged elsewhere."""
    recharged = beside.recharged
    if recharged is None:
        return
    for job in jobs:
        if job.entitled_on is None:
            continue
        kinds = (kind for kind, name in room.fitting_kinds(job).items() if name == job.entitled_on)
        cards = max(map(job.cards_on, kinds), default=None)
        if cards is not None:
            recharged.comes_before(job, job.entitled_on, cards)


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
    if job.entitled_on is None and not _is_lent(job, room):
        return None
    for change in beside.recharged.tried(job, kinds):
        if not bounds.within(job, kinds):
            continue
        placed = _placed(job, room, bounds, beside)
        if placed is not None:
            beside.recharged.keep(change)
            return replace(placed, recharged=(change.told,))
    return None


def _is_lent(job: WaitingJob, room: LendableRoom) -> bool:
    """Whether there is room that is lent for a job, whoever pays and whatever limits say."""
    payers = (job, *job.instead)
    return any(room.best_fit(each, room.kinds_for(each)) is not None for each in payers)


def _let_in_by_right(
    job: WaitingJob, room: LendableRoom, bounds: PlanBounds, beside: BesideOthers
) -> JobPlacement | None:
    """Give a job the place that it is due once another job fills the guarantee no longer."""
    if beside.by_right is None or beside.recharged is None or beside.recharged.is_empty:
        return None
    if job.entitled_on is not None or not beside.recharged.tries_left:
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
    room.take_away(gpu, amount)
    bounds.take(job, gpu)
    return JobPlacement(job, place.gpu_id, gpu.pool, amount, place.calls_back)


def _fit(
    job: WaitingJob, room: LendableRoom, bounds: PlanBounds, by_right: EntitledPlaces | None
) -> JobPlacement | None:
    """Give a job room that is lent, maybe at another group's expense; ``None``: there is none."""
    for payer in (job, *job.instead):
        kinds = room.kinds_for(payer)
        if not gpus_for(payer, room, kinds) or not bounds.may_pay(payer, job):
            continue
        kinds = bounds.within(payer, kinds)
        # What the job is entitled to it has on cards of that type.
        entitled = {k: name for k, name in kinds.items() if name == payer.entitled_on}
        gpus = gpus_for(payer, room, entitled) or gpus_for(payer, room, kinds)
        if gpus:
            placed = _given(payer, gpus, bounds)
            for gpu in gpus:
                room.take(gpu, placed.amount)
                if by_right is not None and payer.entitled_on is not None:
                    by_right.take(EntitledPlace(gpu.facts.gpu_id, ()), payer, placed.amount)
            return placed
    return None


def _beside_others(
    job: WaitingJob, room: LendableRoom, bounds: PlanBounds, kept: Reservations
) -> JobPlacement | None:
    """Give a job a place where others make way for it, or where it fills in for others."""
    for payer in (job, *job.instead):
        kinds = room.fitting_kinds(payer)
        if not kept.may_help(payer, kinds) or not bounds.may_pay(payer, job):
            continue
        kinds = bounds.within(payer, kinds)
        way = kept.make_way(payer, kinds)
        if way is not None:
            return replace(_given(payer, way.gpus, bounds), holds_back=way.holds_back)
        filled = kept.fill_in(payer, kinds)
        if filled is not None:
            return replace(_given(payer, filled.gpus, bounds), fills_in_for=filled.for_whom)
    return None


def _given(job: WaitingJob, gpus: tuple[LendableGpu, ...], bounds: PlanBounds) -> JobPlacement:
    """Return that a job has its place on GPUs, as limits count it from now on."""
    first, *others = gpus
    bounds.take(job, first)
    amount = job.amount_on(first.facts.kind)
    more = tuple(gpu.facts.gpu_id for gpu in others)
    return JobPlacement(job, first.facts.gpu_id, first.pool, amount, beside=more)


def _why(
    job: WaitingJob,
    room: LendableRoom,
    bounds: PlanBounds,
    beside: BesideOthers,
    reservations: Reservations | None,
) -> QueueWait:
    """Return why a job waits; ``reservations``: ``None`` where nothing is lent."""
    there = room.kinds_for(job, anywhere=True)
    kinds = room.kinds_for(job)
    large_enough = {kind: name for kind, name in kinds.items() if job.fits_on(kind)}
    within = bounds.within(job, large_enough)
    needs = (job.amount_on(kind).memory_mib for kind in within or large_enough or kinds)
    wait = partial(
        QueueWait,
        reason=QueueReason.TOO_LITTLE_IDLE,
        need_mib=min(needs, default=job.memory_mib),
        most_mib=room.most_lendable(job, within),
        is_whole=job.memory_mib is None,
        gpus=job.gpus,
        gpu_type=job.gpu_type,
        node=job.node,
    )
    if reservations is None:
        return wait(reason=QueueReason.LENDING_OFF)
    if not there:
        return wait(reason=QueueReason.NO_GPU)
    if not kinds:
        largest = max(kind.usable_mib for kind in there)
        too_large = (job.memory_mib or 1) > largest
        reason = QueueReason.LARGER_THAN_GPU if too_large else QueueReason.NOT_ALLOWED
        return wait(reason=reason, largest_mib=largest)
    if not large_enough:
        largest = max(kind.usable_mib for kind in kinds)
        return wait(reason=QueueReason.LARGER_THAN_GPU, largest_mib=largest)
    if not within:
        met = (bounds.met(job, kind, name) for kind, name in large_enough.items())
        limit = next((each for each in met if each is not None), None)
        full = None if limit is None else _full(limit)
        if limit is not None and not limit.kept:
            bounds.keep_full(job, large_enough)
        return wait(reason=QueueReason.LIMIT_FULL, limit=full)
    kept = reservations.keep_for(job, within)
    behind = () if kept is not None else room.kept_for_others(job, within)
    if behind:
        return wait(reason=QueueReason.BEHIND_OTHERS, behind=behind)
    if kept is None:
        return _lacking(job, room, within, beside.give_backs, wait)
    gpu = kept.gpus[0]
    bounds.keep(job, gpu)
    need_mib = job.amount_on(gpu.facts.kind).memory_mib
    return wait(reason=QueueReason.GPU_KEPT, need_mib=need_mib, kept=_told(kept))


def _told(kept: Reservation) -> KeptGpu:
    first, *others = (gpu.facts for gpu in kept.gpus)
    return KeptGpu(first.node, first.index, kept.at, tuple(facts.index for facts in others))


def _lacking(
    job: WaitingJob,
    room: LendableRoom,
    within: Kinds,
    give_backs: GiveBacks | None,
    wait: "partial[QueueWait]",
) -> QueueWait:
    """Return what a job lacks for which no GPU can be kept."""
    host_mib = room.most_in_host_memory(job, within)
    if host_mib is not None:
        room.keep_host_memory_for(job, within)
        return wait(reason=QueueReason.HOST_MEMORY, host_mib=host_mib)
    slow = None if give_backs is None else give_backs.too_slow(job, within)
    if slow is not None:
        return wait(reason=QueueReason.GIVE_BACK_TOO_SLOW, slow=slow)
    return wait()


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
