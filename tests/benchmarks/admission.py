"""How long a decision about a slice takes, as groups, slices and cards become more.

Each scene has guarantees for half of its cards, and others who borrow most of the rest: what is
asked is entitled, borrowed, taken by share or refused. Where nodes tell their host memory, more of
it is left than anybody asks for, or so little that it bounds what is borrowed. Each variant of the
full scene is told beside what it is a variant of. Times are of this process. Run it:
``python tests/benchmarks/admission.py``.
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
from sublet_quota.reasons.refusal import Refusal
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
LEFT_GIB = {"plenty": (1024, 2048), "little": (0, 100), "short": (0, 15), "none": (0, 0)}
"""How much host memory is left on each node, beside what may be needed there: from, up to."""
ASKED = {"eighth": 40, "quarter": 30, "half": 20, "whole": 10}
"""How often people asked for each size lately, where that is known."""


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


def filled(scene: Scene, overcommit: int) -> tuple[Holdings, list[str]]:
    """Return holdings as full as decisions fill them, and the groups that ask."""
    rng = random.Random(7)  # noqa: S311 - the same scene in each run
    gpus = [
        GpuFacts(GpuId(f"gpu{n}"), NodeId(f"node{n // 8}"), n % 8, KIND) for n in range(scene.cards)
    ]
    holdings = Holdings(read_quota_document(document_of(scene, overcommit)), gpus)
    groups = [f"g{d}x{n}" for d in range(scene.groups // 10) for n in range(10)]
    for number in range(scene.slices):
        hand_out(holdings, wish_of(rng, number, drawn(rng, groups)), number)
    return holdings, groups


def drawn(rng: random.Random, groups: list[str]) -> str:
    """Return a group, the first ones much more often: they hold more than they are due."""
    return groups[min(int(rng.expovariate(5 / len(groups))), len(groups) - 1)]


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


def let_be_idle(holdings: Holdings, part: float) -> None:
    """Let a part of all owners be idle, so that their slices may move."""
    by_lot = random.Random(8)  # noqa: S311 - whoever is idle, the same is asked for
    for one in tuple(holdings.slices()):
        holdings.mark_idle(one.slice_id, idle=by_lot.random() < part)


def tell_host_memory(holdings: Holdings, left_gib: tuple[int, int]) -> None:
    """Have each node tell so much host memory that this is left."""
    by_lot, memory = random.Random(9), holdings.host_memory  # noqa: S311 - the same in each run
    for node in sorted({facts.node for facts in holdings.gpus()}):
        memory.put(node, 0)
        room = memory.room(node)
        taken_mib = 0 if room is None else room.of_guarantees_mib + room.borrowed_mib
        memory.put(node, taken_mib + 1024 * by_lot.randint(*left_gib))


def measured(
    scene: Scene, holdings: Holdings, groups: list[str], rounds: int, *, borrow: bool = False
) -> tuple[Times, Counter[str]]:
    """Return how long decisions take in a full hub where one ends as another begins.

    ``borrow``: most of those who ask hold more than they are due already.
    """
    rng = random.Random(7)  # noqa: S311 - the same in each run
    # The service reckons that before somebody asks.
    holdings.be_ready()
    seconds: list[float] = []
    answers: Counter[str] = Counter()
    for number in range(scene.slices, scene.slices + rounds):
        wish = wish_of(rng, number, drawn(rng, groups) if borrow else rng.choice(groups))
        began = time.process_time()
        answer = decide_slice(holdings, wish)
        seconds.append(time.process_time() - began)
        answers[rule_of(answer)] += 1
        if hand_out(holdings, wish, number) is not None and number % 3:
            held = [one.slice_id for one in holdings.slices()]
            holdings.remove(rng.choice(held))
    return Times(seconds), answers


def rule_of(answer: Placement | Refusal) -> str:
    """Return by which rule a slice has its place, or what lacks."""
    if isinstance(answer, Placement):
        return answer.why.rule.value
    return "no host memory" if "host_mib" in answer.numbers else answer.reason.value


def told(times: Times) -> str:
    """Return the times in one line."""
    return f"median {times.median_ms:.2f} ms, p99 {times.p99_ms:.2f}, worst {times.worst_ms:.2f}"


def beside(times: Times, baseline: Times, words: str) -> str:
    """Return how the times are beside those that they are a variant of."""
    median, p99 = times.median_ms / baseline.median_ms, times.p99_ms / baseline.p99_ms
    return f" (beside {words}: median x{median:.2f}, p99 x{p99:.2f})"


def main() -> int:
    """Print the times of all scenes; fail where one of the largest is slower than the goal."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=1000)
    rounds = parser.parse_args().rounds
    slow: list[str] = []

    def measure(  # noqa: PLR0913 - a scene, and what it is compared with
        scene: Scene,
        words: str,
        holdings: Holdings,
        groups: list[str],
        baseline: tuple[Times, str] | None = None,
        *,
        borrow: bool = False,
    ) -> Times:
        times, answers = measured(scene, holdings, groups, rounds, borrow=borrow)
        compared = "" if baseline is None else beside(times, *baseline)
        print(f"{scene} {words}: {told(times)}{compared} {dict(answers)}", flush=True)
        if scene.cards == SCENES[-1].cards and times.p99_ms > GOAL_MS:
            slow.append(words)
        return times

    for overcommit in (2, 1):
        words = f"overcommit {overcommit}"
        for scene in SCENES:
            measure(scene, words, *filled(scene, overcommit))
        holdings, groups = filled(FULL, overcommit)
        held = holdings.as_held()
        plain: tuple[Times, str] | None = None
        for idle in (0.0, 0.5, 1.0) if overcommit == 1 else (0.0,):
            copy = Holdings.of(held)
            let_be_idle(copy, idle)
            times = measure(FULL, f"{words}, full, {idle:.0%} idle", copy, groups, plain)
            plain = plain or (times, "0% idle")
        baseline = plain
        for name, left_gib in (("not told", None), *LEFT_GIB.items()):
            copy = Holdings.of(held)
            copy.asked_sizes = ASKED
            if left_gib is not None:
                tell_host_memory(copy, left_gib)
            told_so = f"{words}, full, most borrow, host memory {name}"
            times = measure(FULL, told_so, copy, groups, baseline, borrow=True)
            if left_gib is None:
                baseline = times, "host memory not told"
    for words in slow:
        print(f"slower than {GOAL_MS:.0f} ms: {words}")
    return int(bool(slow))


if __name__ == "__main__":
    sys.exit(main())
