"""Rounds of the jobs' queue drawn by lot: cards of several kinds, and all that bounds who begins.

Groups have guarantees, limits and limits of jobs apart, and so have persons; some cards are closed,
some jobs run, some of these are held back, some could be charged to another group; many of those
that wait wish the same. Host memory is told of some nodes.
"""

import random
from dataclasses import dataclass, replace
from datetime import timedelta

from sublet_quota.amounts.gpu_amounts import GpuAmount
from sublet_quota.amounts.gpu_kind import GpuKind
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.holdings.gpu_load import GpuFacts, Holding
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.jobs.payers.recharged_jobs import RunningJob
from sublet_quota.jobs.turns.past_uses import PastUse
from sublet_quota.jobs.waiting_job import WaitingJob
from sublet_quota.names.ids import GpuId, GroupName, JobId, NodeId, PoolName, SliceId, UserName
from sublet_quota.residency.snapshot import Holder, Rank
from sublet_quota.shares.group_tree import NodeName

from tests.support.quota_cases import MARGIN_MIB, NOON
from tests.support.quota_documents import document

KINDS = (
    GpuKind("NVIDIA H100 80GB HBM3", 81_920, MARGIN_MIB),
    GpuKind("NVIDIA H100 NVL", 95_830, MARGIN_MIB),
    GpuKind("NVIDIA L4", 24_576, MARGIN_MIB),
    GpuKind("Tesla T4", 15_360, MARGIN_MIB),
)
TYPES = "gpu_types: {H100: {match: '*H100*', rate: 4}, L4: {match: '*L4*'}, T4: {match: '*T4*'}}\n"
PERSONS = "everyone: {limit: {slices: unlimited, cards: 6}}\n"
OWNERS = tuple(UserName(name) for name in ("ada", "bob", "cid", "dan", "eve"))
POOL = PoolName("interactive")


@dataclass(frozen=True)
class Round:
    """What there is in one round of the queue."""

    held: Holdings
    jobs: tuple[WaitingJob, ...]
    """Those that wait, in no order."""
    running: tuple[RunningJob, ...]
    lends_mib: dict[GpuId, int]
    past: PastUse


def round_by_lot(seed: int, *, jobs: int = 40) -> Round:
    """Return the round of a number."""
    rng = random.Random(seed)  # noqa: S311 - the same round of the same number
    cards = _cards(rng, rng.randrange(3, 14))
    said, groups = _document(rng)
    slices = [
        replace(_holding(f"s{n}", rng, cards, groups), holder=Holder.NOTEBOOK)
        for n in range(rng.randrange(24))
    ]
    placed = [_job_slice(f"j{n}", rng, cards, groups) for n in range(rng.randrange(16))]
    held = Holdings(said, cards, [*slices, *placed])
    if rng.random() < 0.5:
        for node in {facts.node for facts in cards}:
            if rng.random() < 0.8:
                held.host_memory.put(node, rng.randrange(400_000))
    fixed = [name for name in {facts.node for facts in cards} if rng.random() < 0.1]
    wishes = [_wish(rng, groups, fixed) for _ in range(rng.randrange(3, 12))]
    wait = [_named(rng.choice(wishes), n, rng) for n in range(rng.randrange(jobs))]
    running = [_running(one, held, rng, groups) for one in placed if held.gpu(one.gpu_id)]
    past = PastUse(
        {NodeName(name): rng.random() * 9e5 for name in groups if rng.random() < 0.5},
        {(held.leaf(name), owner): rng.random() * 9e5 for name in groups for owner in OWNERS[:2]},
    )
    most = rng.choice((30_000, 90_000))
    lends = {facts.gpu_id: rng.randrange(most) for facts in cards if rng.random() < 0.9}
    return Round(held, tuple(wait), tuple(running), lends, past)


def _cards(rng: random.Random, count: int) -> list[GpuFacts]:
    kinds = rng.sample(KINDS, rng.randrange(1, 5))
    return [
        GpuFacts(
            GpuId(f"gpu{n}"),
            NodeId(f"node{n // 3}"),
            n % 3,
            rng.choice(kinds),
            closed="XID 79" if rng.random() < 0.05 else None,
            pause_only=rng.random() < 0.05,
        )
        for n in range(count)
    ]


def _said(rng: random.Random) -> str:
    """Return what a group says of itself."""
    parts = []
    if rng.random() < 0.5:
        parts.append(f"guaranteed: {{H100: {rng.randrange(4)}, L4: {rng.randrange(3)}}}")
    limits = {
        "H100": f"{rng.randrange(1, 9) / 2}",
        "cards": f"{rng.randrange(2, 12) / 2}",
        "memory": f"{rng.randrange(40, 300)} GiB",
        "slices": f"{rng.randrange(1, 8)}",
    }
    chosen = [f"{key}: {limits[key]}" for key in limits if rng.random() < 0.15]
    if chosen:
        parts.append(f"limit: {{{', '.join(chosen)}}}")
    if rng.random() < 0.2:
        parts.append(f"jobs: {{limit: {{cards: {rng.randrange(1, 5)}}}}}")
    if rng.random() < 0.2:
        parts.append(f"each: {{limit: {{cards: {rng.randrange(1, 4)}}}}}")
    return ", ".join(parts)


def _document(rng: random.Random) -> tuple[QuotaDocument, list[GroupName]]:
    lines, names = [], []
    for number in range(rng.randrange(1, 4)):
        inside = [f"g{number}x{n}" for n in range(rng.randrange(3))]
        names += inside or [f"d{number}"]
        below = ", ".join(f"{name}: {{{_said(rng)}}}" for name in inside)
        own = _said(rng)
        own = f"{own}, " if own else ""
        lines.append(f"  d{number}: {{{own}groups: {{{below}}}}}\n")
    persons = PERSONS if rng.random() < 0.5 else ""
    try:
        said = document(f"{TYPES}{persons}groups:\n{''.join(lines)}")
    except Exception:  # noqa: BLE001 - some say what no document may; then another is drawn
        return _document(rng)
    return said, [GroupName(name) for name in names]


def _holding(
    name: str, rng: random.Random, cards: list[GpuFacts], groups: list[GroupName]
) -> Holding:
    facts = rng.choice(cards)
    of = rng.choice((1, 2, 3, 4))
    return Holding(
        slice_id=SliceId(name),
        owner=rng.choice(OWNERS),
        holder=Holder.JOB,
        gpu_id=facts.gpu_id,
        pool=POOL,
        amount=GpuAmount(facts.kind.usable_mib // of, rng.choice((1000 // of, 1000))),
        group=rng.choice((None, *groups)),
        since=NOON + timedelta(seconds=rng.randrange(5)),
        unsuspendable=rng.random() < 0.1,
    )


def _job_slice(
    name: str, rng: random.Random, cards: list[GpuFacts], groups: list[GroupName]
) -> Holding:
    return replace(
        _holding(name, rng, cards, groups),
        job_id=JobId(name),
        held_back=rng.random() < 0.3,
        job_rank=rng.choice((Rank.BORROWED, Rank.BORROWED, Rank.ENTITLED_IN_PART, Rank.ENTITLED)),
    )


def _wish(rng: random.Random, groups: list[GroupName], nodes: list[NodeId]) -> WaitingJob:
    """Return what several jobs ask for alike."""
    kinds = None if rng.random() < 0.7 else frozenset(rng.sample(KINDS, 2))
    job = WaitingJob(
        job_id=JobId(""),
        owner=rng.choice(OWNERS),
        memory_mib=rng.choice((None, 4_000, 10_000, 10_000, 14_000, 20_000, 40_000, 90_000)),
        compute_milli=rng.choice((1000, 500, 1000)),
        gpu_type=rng.choice((None, None, None, "H100", "L4", "NVIDIA*")),
        priority=0,
        submitted_at=NOON,
        gpus=1 if rng.random() < 0.95 else 2,
        node=rng.choice(nodes) if nodes and rng.random() < 0.3 else None,
        group=rng.choice((None, *groups)),
        estimate=timedelta(hours=rng.randrange(1, 4)),
        kinds=kinds,
    )
    others = rng.sample(groups, rng.randrange(min(3, len(groups) + 1)))
    instead = tuple(replace(job, group=name) for name in others if name != job.group)
    return replace(job, instead=instead)


def _named(wish: WaitingJob, number: int, rng: random.Random) -> WaitingJob:
    own = {
        "job_id": JobId(f"w{number}"),
        "submitted_at": NOON - timedelta(minutes=rng.randrange(9)),
        "lot": rng.randrange(100),
        "priority": rng.choice((0, 0, 1)),
    }
    instead = tuple(replace(each, **own) for each in wish.instead)
    return replace(wish, **own, instead=instead)


def _running(
    one: Holding, held: Holdings, rng: random.Random, groups: list[GroupName]
) -> RunningJob:
    facts = held.gpu(one.gpu_id)
    assert facts is not None
    job = WaitingJob(
        job_id=JobId(one.slice_id),
        owner=one.owner,
        group=one.group,
        memory_mib=one.amount.memory_mib,
        compute_milli=one.amount.compute_milli,
        gpu_type=None,
        priority=0,
        submitted_at=one.since,
        rank=one.job_rank,
    )
    others = [name for name in rng.sample(groups, min(2, len(groups))) if name != one.group]
    job = replace(job, instead=tuple(replace(job, group=name) for name in others))
    gpu_type = held.type_of(one.gpu_id) or ""
    return RunningJob(job, one.slice_id, facts.kind, gpu_type, one.since)
