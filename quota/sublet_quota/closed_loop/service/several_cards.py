"""Jobs on several whole cards of one node: where they begin, and in which order with the others.

Production leaves such jobs to Kueue, which lets one in at its turn once there is room for all of it
and keeps no room for who does not fit (``BestEffortFIFO``); on lent room alone, as their places
by right are of one card. So it is here: at its turn in the order one has its place on the node with
the fewest cards that do, each given by ``plan_queue``, or it waits.
"""

from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from itertools import groupby

from sublet_quota.jobs.job_placement import JobPlacement
from sublet_quota.jobs.job_queue import BesideOthers, QueuePlan, plan_queue
from sublet_quota.jobs.lendable_room import LendableGpu
from sublet_quota.jobs.payers.job_limits import JobLimits
from sublet_quota.jobs.waiting_job import WaitingJob
from sublet_quota.names.ids import JobId, NodeId, SliceId
from sublet_quota.residency.snapshot import Rank
from sublet_quota.shares.lots import lot_of


@dataclass(frozen=True, slots=True)
class Together:
    """Where all cards of one job are."""

    job: WaitingJob
    """The job, with who pays."""
    cards: tuple[JobPlacement, ...]


def slice_ids_of(job_id: JobId, cards: int) -> tuple[SliceId, ...]:
    """Return the names of a job's slices: its own, or of several cards one each."""
    if cards == 1:
        return (SliceId(job_id),)
    return tuple(SliceId(f"{job_id}#{rank}") for rank in range(cards))


def by_cards(ordered: Sequence[WaitingJob]) -> Iterator[tuple[WaitingJob, ...]]:
    """Yield jobs in their order: those of one card that follow each other together."""
    for is_one, jobs in groupby(ordered, key=lambda job: job.gpus == 1):
        some = tuple(jobs)
        yield from [some] if is_one else [(job,) for job in some]


def kept_cards(plan: QueuePlan) -> frozenset[tuple[NodeId, int]]:
    """Return the cards that a plan keeps for jobs that wait."""
    kept = (wait.why.kept for wait in plan.waits)
    return frozenset((each.node, each.index) for each in kept if each is not None)


def not_kept(
    gpus: Iterable[LendableGpu], kept: AbstractSet[tuple[NodeId, int]]
) -> tuple[LendableGpu, ...]:
    """Return the GPUs but for those that a plan before keeps."""
    return tuple(gpu for gpu in gpus if (gpu.facts.node, gpu.facts.index) not in kept)


def place_together(
    job: WaitingJob, gpus: Iterable[LendableGpu], limits: JobLimits, beside: BesideOthers
) -> Together | None:
    """Return where a job of several cards can begin now; ``None``: on no node."""
    on_node: dict[NodeId, list[LendableGpu]] = {}
    for gpu in gpus:
        if gpu.lendable_mib >= job.amount_on(gpu.facts.kind).memory_mib:
            on_node.setdefault(gpu.facts.node, []).append(gpu)
    nodes = [node for node, there in on_node.items() if len(there) >= job.gpus]
    nodes.sort(key=lambda node: (len(on_node[node]), lot_of(node)))
    room = BesideOthers(host_memory=beside.host_memory, lot=beside.lot)
    for payer in (job, *job.instead):
        for node in nodes:
            ranks = [_rank(payer, node, rank) for rank in range(job.gpus)]
            plan = plan_queue(ranks, on_node[node], lending=True, limits=limits, beside=room)
            if len(plan.placements) == job.gpus:
                return Together(payer, plan.placements)
    return None


def _rank(job: WaitingJob, node: NodeId, rank: int) -> WaitingJob:
    """Return one card's part of a job, on lent room as anybody's."""
    return replace(
        job,
        job_id=JobId(f"{job.job_id}#{rank}"),
        gpus=1,
        node=node,
        instead=(),
        rank=Rank.BORROWED,
        entitled_on=None,
    )
