"""Closed loop through the jobs' own functions: simulated days of jobs that start in their order.

Shares converge to weights, what was guaranteed is had, and who comes late waits no longer than
``most_lag``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from fractions import Fraction

import pytest
from sublet_quota.amounts.gpu_amounts import GpuAmount
from sublet_quota.holdings.gpu_load import Holding
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.holdings.standing.group_trees import tree_of
from sublet_quota.jobs.job_queue import plan_queue
from sublet_quota.jobs.lent_room.lendable_gpus import lendable_gpus
from sublet_quota.jobs.payers.job_limits import JobLimits
from sublet_quota.jobs.turns.job_order import JobOrder
from sublet_quota.jobs.turns.past_uses import (
    LagWrittenOff,
    PastUse,
    Payer,
    UseSums,
    full_use_of,
    lags_of,
    less_lags,
    past_use_of,
)
from sublet_quota.jobs.waiting_job import WaitingJob
from sublet_quota.names.ids import GpuId, GroupName, JobId, SliceId, UserName
from sublet_quota.residency.snapshot import Holder
from sublet_quota.shares.past_use import CardUse, Span

from tests.support.job_cases import TYPES
from tests.support.quota_cases import H100, NOON, gpu, holdings

TICK = timedelta(minutes=10)
HALF_LIFE_H, MOST_LAG_H = 8.0, 4.0
FAIR = "fair_share: {half_life: 8h, most_lag: 4h}\n"
CARDS = 4
RATE = Fraction(4)


@dataclass(frozen=True)
class Kind:
    """The jobs of one group: the part of a card, how long they last, how many wait at a time."""

    group: str
    part: Fraction
    lasts_h: float
    at_once: int = 10
    from_h: float = 0


@dataclass
class Cluster:
    """Cards on which the jobs of the queue's plan start, with a clock of its own."""

    text: str
    kinds: Sequence[Kind]
    at: timedelta = timedelta()
    made: int = 0
    waiting: dict[JobId, tuple[WaitingJob, Kind]] = field(default_factory=dict)
    running: dict[JobId, tuple[WaitingJob, Kind, GpuId, timedelta]] = field(default_factory=dict)
    had: list[tuple[str, Fraction, timedelta, timedelta]] = field(default_factory=list)
    written_off: dict[tuple[str, str | None], LagWrittenOff] = field(default_factory=dict)

    def __post_init__(self) -> None:
        cards = [gpu(f"h{number}", H100, index=number) for number in range(CARDS)]
        self.held: Holdings = holdings(TYPES + FAIR + self.text, *cards)
        self.tree = tree_of(self.held.document, None)
        self.sums = UseSums(timedelta(hours=HALF_LIFE_H), NOON)

    def run(self, until_h: float) -> "Cluster":
        while self.at < timedelta(hours=until_h):
            self._end()
            self._submit()
            self._start()
            self.at += TICK
        return self

    def hours_of(self, group: str, from_h: float, to_h: float) -> float:
        """The card-hours that a group had in a time."""
        first, last = timedelta(hours=from_h), timedelta(hours=to_h)
        return sum(
            float(cards) * max(0.0, (min(ended, last) - max(began, first)) / timedelta(hours=1))
            for name, cards, began, ended in self.had
            if name == group
        )

    def _end(self) -> None:
        for job_id, (job, kind, _, began) in list(self.running.items()):
            if began + timedelta(hours=kind.lasts_h) <= self.at:
                del self.running[job_id]
                self.held.remove(SliceId(job_id))
                self.had.append((kind.group, kind.part, began, self.at))
                use = replace(_use(job, kind, began), span=Span(NOON + began, NOON + self.at))
                self.sums.add(_payer(job), use, NOON + self.at)

    def _submit(self) -> None:
        for kind in self.kinds:
            if self.at < timedelta(hours=kind.from_h):
                continue
            there = sum(1 for _, other in self.waiting.values() if other is kind)
            for _ in range(kind.at_once - there):
                self.made += 1
                job = WaitingJob(
                    job_id=JobId(f"j{self.made}"),
                    owner=UserName(f"of-{kind.group}"),
                    memory_mib=int(H100.usable_mib * kind.part),
                    compute_milli=int(1000 * kind.part),
                    gpu_type=None,
                    priority=0,
                    submitted_at=NOON + self.at,
                    hub_groups=(kind.group,),
                    group=GroupName(kind.group),
                    lot=self.made * 7919 % 1009,
                    estimate=timedelta(hours=kind.lasts_h),
                )
                self.waiting[job.job_id] = job, kind

    def _start(self) -> None:
        past = self._past()
        jobs = [job for job, _ in self.waiting.values()]
        running = {job.job_id: (job, kind.part) for job, kind, *_ in self.running.values()}
        have = {job_id: ("H100", part) for job_id, (_, part) in running.items()}
        placed = [job for job, _ in running.values()]
        wait = JobOrder(self.held, past).waiting(jobs, placed, have)
        lends = {
            g.gpu_id: H100.usable_mib - self.held.load(g.gpu_id).jobs.memory_mib
            for g in self.held.gpus()
        }
        gpus = lendable_gpus(self.held, lends)
        plan = plan_queue(wait, gpus, lending=True, limits=JobLimits(self.held))
        for placement in plan.placements:
            job, kind = self.waiting.pop(placement.job.job_id)
            self.running[job.job_id] = job, kind, placement.gpu_id, self.at
            self.held.put(_slice(job, placement.gpu_id, placement.amount))

    def _past(self) -> PastUse:
        now, half_life = NOON + self.at, timedelta(hours=HALF_LIFE_H)
        lasting = [(_payer(job), _use(job, kind, at)) for job, kind, _, at in self.running.values()]
        sums = self.sums.with_open(lasting, now)
        past = past_use_of(self.tree, sums, self.written_off.values(), now, half_life)
        asking = {(self.held.leaf(job.group), job.owner) for job, _ in self.waiting.values()}
        full = full_use_of(self.held.document.fair_share, float(CARDS * RATE))
        lags = lags_of(self.tree, past, asking, full, now)
        for lag in lags:
            before = self.written_off.get((lag.node, lag.owner))
            worth = 0.0 if before is None else before.worth(now, half_life)
            self.written_off[lag.node, lag.owner] = replace(lag, amount=lag.amount + worth)
        return less_lags(past, lags)


def _payer(job: WaitingJob) -> Payer:
    return job.group, job.owner


def _use(job: WaitingJob, kind: Kind, began: timedelta) -> CardUse:
    return CardUse(kind.part, RATE, Span(NOON + began), estimate=job.estimate)


def _slice(job: WaitingJob, gpu_id: GpuId, amount: GpuAmount) -> Holding:
    return Holding(
        slice_id=SliceId(job.job_id),
        owner=job.owner,
        holder=Holder.JOB,
        gpu_id=gpu_id,
        pool=holdings().document.default_pool,
        amount=amount,
        group=job.group,
        since=NOON,
    )


def kinds(weights: Mapping[str, int], *sizes: tuple[str, float], late_h: float = 0) -> list[Kind]:
    return [
        Kind(name, Fraction(part), hours, from_h=late_h if number else 0)
        for number, (name, (part, hours)) in enumerate(zip(weights, sizes, strict=True))
    ]


LARGE, SMALL = ("1", 2.0), ("1/4", 1 / 3)
SCENES: dict[str, tuple[dict[str, int], tuple[tuple[str, float], ...]]] = {
    "small jobs of equal groups": ({"a": 1, "b": 1}, (SMALL, SMALL)),
    "large jobs of equal groups": ({"a": 1, "b": 1}, (LARGE, LARGE)),
    "large and small jobs": ({"a": 1, "b": 1}, (LARGE, SMALL)),
    "large jobs of the lighter group": ({"a": 1, "b": 3}, (LARGE, SMALL)),
    "three groups": ({"a": 2, "b": 1, "c": 1}, (SMALL, LARGE, SMALL)),
}


@pytest.mark.parametrize("name", SCENES)
def test_shares_converge_to_weights_though_one_was_alone_before(name: str) -> None:
    weights, sizes = SCENES[name]
    groups = ", ".join(f"{group}: {{weight: {weight}}}" for group, weight in weights.items())
    alone_h = 2 * HALF_LIFE_H
    begin, end = alone_h + HALF_LIFE_H, alone_h + 3 * HALF_LIFE_H
    run = Cluster(f"groups: {{{groups}}}", kinds(weights, *sizes, late_h=alone_h)).run(end + 3)
    had = {group: run.hours_of(group, begin, end) for group in weights}
    one_job = max(float(Fraction(part)) * hours for part, hours in sizes)
    allowed = max(0.05, one_job / (CARDS * (end - begin)))
    for group, weight in weights.items():
        share = had[group] / sum(had.values())
        assert share == pytest.approx(weight / sum(weights.values()), abs=allowed), had


def test_who_was_alone_for_four_weeks_waits_no_longer_than_most_lag() -> None:
    alone_h = 28 * 24.0
    both = [Kind("a", Fraction(1), 0.5), Kind("b", Fraction(1), 0.5, from_h=alone_h)]
    run = Cluster("groups: {a: {}, b: {}}", both).run(alone_h + MOST_LAG_H + 2)
    assert run.hours_of("a", alone_h + 0.5, alone_h + MOST_LAG_H / 2) == 0
    assert run.hours_of("a", alone_h + 0.5, alone_h + MOST_LAG_H + 1) > 0


def test_what_is_guaranteed_is_had_whoever_used_how_much() -> None:
    text = "groups: {a: {guaranteed: {H100: 3}}, b: {weight: 9}}"
    run = Cluster(text, kinds({"a": 1, "b": 1}, LARGE, LARGE)).run(40)
    assert run.hours_of("a", 8, 32) / 24 == pytest.approx(3, abs=2 / 24)
