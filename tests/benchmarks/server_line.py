"""How long a round along the line of notebooks holds the service, and how long telling one takes.

The hubs are full, and everybody in line asks for what there is no room for. A round is taken in
steps, between which others are served: what counts is the longest of them. How the line stands is
reckoned once on a copy, in another thread, and then told to many. The baseline decides for each of
the line as if they came just now, with all words, in one go; it must find the same.
Times are of this process, not of the clock on the wall.
Run it: ``python tests/benchmarks/server_line.py``.
"""

import argparse
import platform
import random
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from decision_parts.quota_scene import NOW, Scene, filled, wish_in
from decision_parts.times import Times
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.jobs.turns.past_uses import NO_PAST_USE
from sublet_quota.names.ids import UserName
from sublet_quota.placement.slice_placement import Placement, decide_slice
from sublet_quota.server_queue.expected import Ends
from sublet_quota.server_queue.line_order import in_order
from sublet_quota.server_queue.payers import Payers
from sublet_quota.server_queue.queued_server import QueuedServer
from sublet_quota.server_queue.waits import Standings
from sublet_quota.server_queue.walk import walk
from sublet_quota.shares.fair_order import RequestId

GOAL_MS: Final = 100.0
SCENES: Final = (
    (Scene("full", 1000, 24, 50), 40),
    (Scene("full", 4000, 250, 100), 300),
    (Scene("full", 10_000, 770, 1000), 2000),
)


@dataclass(frozen=True)
class Row:
    """What one line took."""

    scene: Scene
    length: int
    steps: Times
    """The steps of rounds, between which others are served."""
    rounds: Times
    standings: Times
    """To reckon how all stand, in another thread."""
    told: Times
    """To tell one how they stand, once that is reckoned."""
    baseline: Times


def line_in(held: Holdings, scene: Scene, length: int, rng: random.Random) -> list[QueuedServer]:
    """Return so many notebooks that have no place now."""
    line: list[QueuedServer] = []
    while len(line) < length:
        asked = wish_in(scene, rng)
        if isinstance(decide_slice(held, asked), Placement):
            continue
        since, name = NOW + timedelta(minutes=len(line)), f"r{len(line)}"
        line.append(
            QueuedServer(RequestId(name), UserName(asked.owner), name, asked, since, len(line))
        )
    return line


def steps_of(held: Holdings, line: list[QueuedServer]) -> Iterator[None]:
    """Take a round as the service does, one step after another."""
    payers = Payers(held)
    for each in line:
        payers.of(each)
        yield
    ordered = in_order(held, line, NO_PAST_USE, payers)
    yield
    for step in walk(held, ordered, payers):
        if isinstance(step.answer, Placement):
            message = f"there is room for {step.server}, and the baseline found none"
            raise AssertionError(message)  # noqa: TRY004 - not the type is wrong
        yield


def timed(rounds: int, call: Callable[[], object]) -> Times:
    """Time one call over and over."""
    return Times([_seconds(call) for _ in range(rounds)])


def _seconds(call: Callable[[], object]) -> float:
    began = time.process_time()
    call()
    return time.process_time() - began


def measure(scene: Scene, length: int, rounds: int) -> Row:
    """Fill a hub, let so many wait, and time the line."""
    rng = random.Random(11)  # noqa: S311 - the same scene in each run
    held = filled(scene, rng)
    line = line_in(held, scene, length, rng)
    steps: list[float] = []
    in_all: list[float] = []
    for _ in range(rounds):
        round_ = steps_of(held, line)
        took: list[float] = []
        while (seconds := _next_step(round_)) is not None:
            took.append(seconds)
        steps += took
        in_all.append(sum(took))
    ordered, ends = in_order(held, line, NO_PAST_USE), Ends(NOW)
    some = rng.sample([each.request_id for each in line], min(20, length))
    known = Standings(held, ordered, ends)
    told = Times([_seconds(lambda name=name: known.of(name)) for name in some])
    return Row(
        scene=scene,
        length=length,
        steps=Times(steps),
        rounds=Times(in_all),
        standings=timed(rounds, lambda: Standings(held, ordered, ends)),
        told=told,
        baseline=timed(1, lambda: [decide_slice(held, each.wish) for each in ordered]),
    )


def _next_step(steps: Iterator[None]) -> float | None:
    began = time.process_time()
    try:
        next(steps)
    except StopIteration:
        return None
    return time.process_time() - began


def main() -> int:
    """Measure and print a table; fails when a step holds the service for too long."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="rounds along each line")
    asked = parser.parse_args()
    print(f"{platform.machine()}, Python {platform.python_version()}; ms of processor time.")
    print(
        f"{'cards':>6}{'slices':>8}{'in line':>9}{'step p99':>10}{'worst':>8}{'a round':>9}"
        f"{'standings':>11}{'told one':>10}{'baseline':>10}"
    )
    worst = 0.0
    for scene, length in SCENES:
        row = measure(scene, length, asked.rounds)
        print(
            f"{scene.gpus:>6}{scene.slices:>8}{length:>9}{row.steps.p99_ms:>10.2f}"
            f"{row.steps.worst_ms:>8.1f}{row.rounds.median_ms:>9.0f}"
            f"{row.standings.median_ms:>11.0f}{row.told.median_ms:>10.2f}"
            f"{row.baseline.median_ms:>10.0f}"
        )
        worst = max(worst, row.steps.worst_ms)
    verdict = "reached" if worst <= GOAL_MS else "MISSED"
    print(f"\nGoal: no step of more than {GOAL_MS:g} ms. {worst:.1f} ms: {verdict}.")
    return 0 if worst <= GOAL_MS else 1


if __name__ == "__main__":
    sys.exit(main())
