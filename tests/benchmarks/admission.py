"""How long a decision about a slice takes, as groups, slices and cards become more.

Each scene has guarantees for half of its cards, and others who borrow most of the rest: what is
asked is entitled, borrowed, taken by share or refused. Times are of this process.
Run it: ``python tests/benchmarks/admission.py``.
"""

import argparse
import random
import sys
import time
from collections import Counter
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from decision_parts.times import Times
from sublet_quota.admission.slice_request import RequestedSlice
from sublet_quota.amounts.gpu_kind import GpuKind
from sublet_quota.document.reading import read_quota_document
from sublet_quota.holdings.gpu_load import GpuFacts, Holding
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.names.ids import GpuId, NodeId, SliceId
from sublet_quota.placement.slice_placement import Placement, decide_slice
from sublet_quota.residency.snapshot import Holder

GOAL_MS = 10.0
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
KIND = GpuKind("NVIDIA H100 80GB HBM3", 81_920, 1024)
SIZES = ("eighth", "quarter", "half", "whole")
HEAD = """
gpu_types: {H100: {match: '*H100*'}}
sizes:
  - {name: eighth, memory: 1/8, compute: 1/8}
  - {name: quarter, memory: 1/4, compute: 1/4}
  - {name: half, memory: 1/2, compute: 1/2}
  - {name: whole, memory: 1, compute: 1}
everyone: {limit: {slices: unlimited}}
pools: [{name: interactive, memory_overcommit: OVERCOMMIT, compute_overcommit: OVERCOMMIT}]
groups:
"""


@dataclass(frozen=True)
class Scene:
    """So many groups, slices and cards."""

    groups: int
    slices: int
    cards: int


SCENES = (Scene(10, 100, 50), Scene(100, 1000, 500), Scene(1000, 10_000, 5000))
FULL = Scene(1000, 11_000, 5000)
"""So full, without overcommit, that room is taken by share, or refused with what would help."""


def document_of(scene: Scene, overcommit: int) -> str:
    """Return departments of ten groups each, guaranteed half of all cards together."""
    each = scene.cards / 2 / scene.groups
    lines = [HEAD.replace("OVERCOMMIT", str(overcommit))]
    for number in range(scene.groups // 10):
        inside = ", ".join(
            f"g{number}x{n}: {{guaranteed: {{H100: {each}}}, weight: {n % 3 + 1}}}"
            for n in range(10)
        )
        lines.append(f"  d{number}: {{guaranteed: {{H100: {each * 10}}}, groups: {{{inside}}}}}\n")
    return "".join(lines)


def filled(scene: Scene, overcommit: int, rng: random.Random) -> tuple[Holdings, list[str]]:
    """Return holdings as full as decisions fill them, and the groups that ask."""
    gpus = [
        GpuFacts(GpuId(f"gpu{n}"), NodeId(f"node{n // 8}"), n % 8, KIND) for n in range(scene.cards)
    ]
    holdings = Holdings(read_quota_document(document_of(scene, overcommit)), gpus)
    groups = [f"g{d}x{n}" for d in range(scene.groups // 10) for n in range(10)]
    for number in range(scene.slices):
        group = groups[min(int(rng.expovariate(5 / len(groups))), len(groups) - 1)]
        hand_out(holdings, wish_of(rng, number, group), number)
    return holdings, groups


def wish_of(rng: random.Random, number: int, group: str) -> RequestedSlice:
    """Return a wish of somebody in a group."""
    return RequestedSlice(f"user{number}", (group,), size=rng.choice(SIZES))


def hand_out(holdings: Holdings, wish: RequestedSlice, number: int) -> Placement | None:
    """Decide, and do what follows; return the placement."""
    answer = decide_slice(holdings, wish)
    if not isinstance(answer, Placement):
        return None
    for slice_id in answer.calls_back:
        holdings.mark_called_back(slice_id, called_back=True)
    for slice_id, gpu_id in answer.moves:
        moved = holdings.slice(slice_id)
        if moved is not None and slice_id not in answer.calls_back:
            holdings.put(replace(moved, gpu_id=gpu_id))
    holdings.put(
        Holding(
            slice_id=SliceId(f"s{number}"),
            owner=answer.owner,
            holder=Holder.NOTEBOOK,
            gpu_id=answer.gpu_id,
            pool=answer.pool,
            amount=answer.amount,
            group=answer.group,
            member_of=answer.member_of,
            since=NOON + timedelta(seconds=number),
        )
    )
    return answer


def measured(
    scene: Scene, overcommit: int, rounds: int, idle: float = 0.0
) -> tuple[Times, Counter[str]]:
    """Return how long decisions take in a full hub where one ends as another begins.

    ``idle``: the part of the slices whose owners are idle, so that they may move.
    """
    rng = random.Random(7)  # noqa: S311 - the same scene in each run
    holdings, groups = filled(scene, overcommit, rng)
    by_lot = random.Random(8)  # noqa: S311 - whoever is idle, the same is asked for
    for one in tuple(holdings.slices()):
        holdings.mark_idle(one.slice_id, idle=by_lot.random() < idle)
    seconds: list[float] = []
    answers: Counter[str] = Counter()
    for number in range(scene.slices, scene.slices + rounds):
        wish = wish_of(rng, number, rng.choice(groups))
        began = time.process_time()
        answer = decide_slice(holdings, wish)
        seconds.append(time.process_time() - began)
        answers[answer.why.rule.value if answer.why else "refused"] += 1
        if hand_out(holdings, wish, number) is not None and number % 3:
            held = [one.slice_id for one in holdings.slices()]
            holdings.remove(rng.choice(held))
    return Times(seconds), answers


def told(times: Times) -> str:
    """Return the times in one line."""
    return f"median {times.median_ms:.2f} ms, p99 {times.p99_ms:.2f}, worst {times.worst_ms:.2f}"


def main() -> int:
    """Print the times of all scenes; fail where the largest is slower than the goal."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=1000)
    rounds = parser.parse_args().rounds
    slow = False
    for overcommit in (2, 1):
        for scene in SCENES:
            times, answers = measured(scene, overcommit, rounds)
            print(f"{scene} overcommit {overcommit}: {told(times)} {dict(answers)}", flush=True)
            slow = (scene is SCENES[-1] and times.p99_ms > GOAL_MS) or slow
    for idle in (0.0, 0.5, 1.0):
        times, answers = measured(FULL, 1, rounds, idle)
        words = f"overcommit 1, full, {idle:.0%} idle"
        print(f"{FULL} {words}: {told(times)} {dict(answers)}", flush=True)
        slow = times.p99_ms > GOAL_MS or slow
    return int(slow)


if __name__ == "__main__":
    sys.exit(main())
