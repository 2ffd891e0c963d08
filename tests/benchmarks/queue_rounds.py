"""How long one round of the jobs' queue takes: on 5,000 cards, with jobs that are held back.

A round finds who goes on that was held back, the order of those that wait, and their places; some
running jobs could be charged to another group, and a quarter of them fills in. The baseline in the
same run holds nobody back, and no node tells its host memory. Growth is beside half as many jobs.
Times are of this process.
Run it: ``python tests/benchmarks/queue_rounds.py``.
"""

import argparse
import random
import sys
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache

from decision_parts.times import Times
from sublet_quota.admission.jobs_going_on import jobs_to_go_on
from sublet_quota.amounts.gpu_amounts import GpuAmount
from sublet_quota.amounts.gpu_kind import GpuKind
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.document.reading import read_quota_document
from sublet_quota.document.rights import rights_of
from sublet_quota.holdings.gpu_load import GpuFacts, Holding
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.jobs.backfill.jobs_there import by_gpu, job_there
from sublet_quota.jobs.entitled_places import EntitledPlaces
from sublet_quota.jobs.job_queue import BesideOthers, QueuePlan, plan_queue
from sublet_quota.jobs.lent_room.lendable_gpus import lendable_gpus
from sublet_quota.jobs.payers.job_limits import JobLimits
from sublet_quota.jobs.payers.known_limits import KnownLimits
from sublet_quota.jobs.payers.recharged_jobs import RechargedJobs, RunningJob
from sublet_quota.jobs.turns.job_order import JobOrder
from sublet_quota.jobs.turns.past_uses import NO_PAST_USE
from sublet_quota.jobs.waiting_job import WaitingJob
from sublet_quota.names.ids import GpuId, GroupName, JobId, NodeId, PoolName, SliceId, UserName
from sublet_quota.residency.snapshot import Holder

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
KIND = GpuKind("NVIDIA H100 80GB HBM3", 81_920, 1024)
POOL = PoolName("interactive")
CARDS_A_NODE = 8
GROUPS = 1000
WAITING = (250, 500, 1000, 2000)
HELD_BACK = (0, 250, 500, 1000)
LARGE_CARDS = 25_000
LONG_QUEUE = 50_000
ALIKE = 100
MOST_GROWTH = 3.0
"""Twice as many jobs take at most so many times as long: what is noise is not squared."""
SIZES_MIB = (10_000, 20_000, 40_000, 80_000)
HEAD = """
gpu_types: {H100: {match: '*H100*'}}
sizes: [{name: whole, memory: 1, compute: 1}]
everyone: {limit: {slices: unlimited}}
groups:
"""


@dataclass(frozen=True)
class Scene:
    """So many jobs wait, and so many are held back."""

    waiting: int
    held_back: int
    host_gib: int | None
    """How much host memory nodes tell beyond what their guarantees need; ``None``: nothing."""
    cards: int = 5000
    alike: int = 1
    """How many jobs somebody sends off alike."""


def document() -> QuotaDocument:
    """Return departments of ten groups each, with limits that slices and jobs fill together."""
    lines = [HEAD]
    for number in range(GROUPS // 10):
        inside = ", ".join(
            f"g{number}x{n}: {{guaranteed: {{H100: 2}}, limit: {{slices: 9}}}}" for n in range(10)
        )
        lines.append(f"  d{number}: {{guaranteed: {{H100: 20}}, groups: {{{inside}}}}}\n")
    return read_quota_document("".join(lines))


def holding(number: int, rng: random.Random, groups: list[GroupName], cards: int) -> Holding:
    """Return somebody's slice, of a half or of a quarter of a card."""
    part = rng.choice((2, 4))
    return Holding(
        slice_id=SliceId(f"s{number}"),
        owner=UserName(f"user{rng.randrange(4000)}"),
        holder=Holder.NOTEBOOK,
        gpu_id=GpuId(f"gpu{rng.randrange(cards)}"),
        pool=POOL,
        amount=GpuAmount(KIND.usable_mib // part, 1000 // part),
        group=rng.choice(groups),
        since=NOON + timedelta(seconds=number),
    )


def filled(scene: Scene) -> tuple[Holdings, list[RunningJob]]:
    """Return slices, jobs that run, and jobs that are held back; and who could pay instead."""
    rng = random.Random(7)  # noqa: S311 - the same scene in each run
    said = document()
    groups = [GroupName(name) for name in said.all_groups if "g" in name]
    cards = [
        GpuFacts(GpuId(f"gpu{n}"), NodeId(f"node{n // CARDS_A_NODE}"), n % CARDS_A_NODE, KIND)
        for n in range(scene.cards)
    ]
    slices = [holding(number, rng, groups, scene.cards) for number in range(8000)]
    jobs = [
        replace(
            holding(number, rng, groups, scene.cards),
            holder=Holder.JOB,
            job_id=JobId(f"j{number}"),
            fills_in_for=(JobId(f"w{number % scene.waiting}"),) if number % 4 == 0 else (),
        )
        for number in range(8000, 9000 + scene.held_back)
    ]
    running, away = jobs[:1000], [replace(each, held_back=True) for each in jobs[1000:]]
    held = Holdings(said, cards, [*slices, *running, *away])
    for node in {facts.node for facts in cards} if scene.host_gib is not None else ():
        held.host_memory.put(node, 0)
        room = held.host_memory.room(node)
        taken_mib = 0 if room is None else room.of_guarantees_mib + room.borrowed_mib
        held.host_memory.put(node, taken_mib + 1024 * rng.randrange(1 + (scene.host_gib or 0)))
    return held, [rechargeable(each, rng.choice(groups)) for each in running]


def rechargeable(one: Holding, other: GroupName) -> RunningJob:
    """Return a running job that another group could pay for."""
    job = WaitingJob(
        job_id=one.job_id or JobId(""),
        owner=one.owner,
        group=one.group,
        memory_mib=one.amount.memory_mib,
        compute_milli=one.amount.compute_milli,
        gpu_type=None,
        priority=0,
        submitted_at=one.since,
    )
    job = replace(job, instead=(replace(job, group=other),))
    return RunningJob(job, one.slice_id, KIND, "H100", one.since)


def waiting(scene: Scene, document: QuotaDocument) -> list[WaitingJob]:
    """Return the jobs that wait."""
    rng = random.Random(11)  # noqa: S311 - the same scene in each run
    groups = [GroupName(name) for name in document.all_groups if "g" in name]
    jobs: list[WaitingJob] = []
    for first in range(0, scene.waiting, scene.alike):
        job = WaitingJob(
            job_id=JobId(f"w{first}"),
            owner=UserName(f"user{rng.randrange(300)}"),
            group=rng.choice(groups),
            memory_mib=rng.choice(SIZES_MIB),
            compute_milli=1000,
            gpu_type=None,
            priority=rng.randrange(2),
            submitted_at=NOON - timedelta(seconds=rng.randrange(100_000)),
        )
        jobs += (replace(job, job_id=JobId(f"w{n}")) for n in range(first, first + scene.alike))
    return jobs


def measured(scene: Scene, rounds: int) -> tuple[Times, QueuePlan]:
    """Return how long rounds of the queue take, and what comes of one."""
    held, running = filled(scene)
    jobs, known = waiting(scene, held.document), KnownLimits(held.document)
    rng = random.Random(13)  # noqa: S311 - the same scene in each run
    lendable = {facts.gpu_id: rng.randrange(60_000) for facts in held.gpus()}
    seconds: list[float] = []
    plan = QueuePlan()
    rights = cache(lambda owner: rights_of(held.document, owner, ()))
    ends = {each.slice_id: NOON + timedelta(minutes=rng.randrange(1440)) for each in held.slices()}
    for _ in range(rounds):
        began = time.process_time()
        there = by_gpu(
            (
                (each.gpu_id, job_there(each, each.job_id or JobId(""), 0, ends[each.slice_id]))
                for each in held.slices()
                if not each.is_notebook
            ),
            NOON,
        )
        jobs_to_go_on(held, rights, dict)
        limits = JobLimits(held, known)
        plan = plan_queue(
            JobOrder(held, NO_PAST_USE).waiting(jobs),
            lendable_gpus(held, lendable),
            lending=True,
            limits=limits,
            beside=BesideOthers(
                EntitledPlaces(held, lendable),
                RechargedJobs(held, limits, running),
                held.host_memory,
                there=there,
            ),
        )
        seconds.append(time.process_time() - began)
    return Times(seconds), plan


def told(scene: Scene, times: Times, plain: Times, plan: QueuePlan) -> str:
    """Return a line of what was measured, beside the baseline."""
    return (
        f"{scene}: median {times.median_ms:.0f} ms, worst {times.worst_ms:.0f};"
        f" baseline {plain.median_ms:.0f} ms;"
        f" {len(plan.placements)} begin, {len(plan.waits)} wait"
    )


def main() -> int:
    """Print the times beside the baseline's; fail where twice as many take much more than twice."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    last: float | None = None
    is_slow = False
    for scene in (
        Scene(1000, 500, 60, LARGE_CARDS),
        Scene(LONG_QUEUE, 500, 60, alike=ALIKE),
    ):
        times, plan = measured(scene, rounds)
        plain, _ = measured(replace(scene, held_back=0, host_gib=None), rounds)
        print(told(scene, times, plain, plan), flush=True)
    for count, held_back in zip(WAITING, HELD_BACK, strict=True):
        scene = Scene(count, held_back, 60)
        times, plan = measured(scene, rounds)
        plain, _ = measured(Scene(count, 0, None), rounds)
        growth = None if last is None else times.median_ms / last
        grown = "" if growth is None else f"; x{growth:.2f}"
        print(f"{told(scene, times, plain, plan)}{grown}", flush=True)
        is_slow |= growth is not None and growth > MOST_GROWTH
        last = times.median_ms
    return int(is_slow)


if __name__ == "__main__":
    sys.exit(main())
