"""How long users wait for the service when very many ask it, and what hostile ones change in that.

The service is the real one, in a process of its own, with the agents of as many cards as its users
need; users' pages ask for shares, jobs, history and events with tokens of their own. There are no
streams of events in its API: what is told at once goes to agents, which report each second. Jobs
go to a cluster that lends nothing, so they wait.

Measured are the answers' times at a rate that does not wait for them, without and with ten hostile
tenants; then as many requests as an hour has, as fast as they are answered, for what stays in
memory. Baseline, in the same run: a bare tornado handler that answers the same bytes.
Run it: ``PYTHONPATH=. python tests/benchmarks/load.py``: a small one, in two minutes. The full
size, which takes about half an hour on two cores that do nothing else:

    PYTHONPATH=. python tests/benchmarks/load.py --users 1000 --rate 200 --seconds 120 \\
        --requests 720000 --hostile-share 1
"""

import argparse
import asyncio
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from load_parts.plan import Asker, Asking, Hostility, Misdeeds
from load_parts.service import (
    Memory,
    Service,
    bare_server,
    environment,
    service,
    watched_memory,
)

from tests.support.fake_kube_api import FakeKube, fake_kube
from tests.support.hub_world import PREFIX, FakeHub, fake_hub

GOAL_MS: Final = 200.0
GOAL_GROWTH: Final = 0.1
"""What may be added to memory between the first tenth of the requests and the last."""
WARM_UP_S: Final = 3.0
KEPT_S: Final = 30.0
"""How long the service believes what the hub said of a token."""
MOST_OF_A_USER: Final = 15.0
"""Requests a second: beyond 20 the service refuses them."""
ERROR: Final = re.compile(r"[\w.]+(Error|Exception)\b")
QUOTED: Final = re.compile(r"'[^']*'")
_PARTS: Final = Path(__file__).parent / "load_parts"


@dataclass(frozen=True, slots=True)
class Size:
    """How much is asked, and by how many."""

    users: int
    rate: float
    seconds: float
    requests: int
    hostile: int
    hostile_share: float
    connections: int

    @property
    def names(self) -> list[str]:
        return [f"user{number:05}" for number in range(self.users)]

    @property
    def hostile_names(self) -> list[str]:
        return [f"hostile{number:03}" for number in range(self.hostile)]


@dataclass(frozen=True, slots=True)
class Stand:
    """What one measurement found."""

    name: str
    said: dict[str, Any]
    memory: Memory | None = None
    logged: str = ""
    """What the service wrote into its log meanwhile."""
    answered: dict[str, dict[str, int]] | None = None
    """How often each deed of the hostile ones was answered how."""


def run(size: Size, hub: FakeHub, kube: FakeKube) -> list[Stand]:
    """Measure everything."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        everybody = size.users + size.hostile
        with service(hub, kube, everybody, folder) as runs:
            say(f"the service runs as process {runs.process.pid}")
            runs.add_users(size.names)
            askers = tuple(runs.askers)
            runs.add_users(size.hostile_names)
            hostile = tuple(each.token for each in runs.askers[len(askers) :])
            say(f"{everybody} users have their slices")
            answers = runs.answers()
            # Users come one after another. Came they at once, the hub would be asked for all of
            # their tokens at once, too: now, and each time that its answers are too old.
            ask(size, runs.port, askers, size.users / KEPT_S, KEPT_S)
            stands = [
                stand("the service", size, runs, askers),
                endurance(size, runs, askers),
                stand("with hostile tenants", size, runs, askers, hostile),
                stand("after them", size, runs, askers),
            ]
        with bare_server(answers, folder) as port:
            ask(size, port, askers, size.rate, WARM_UP_S)
            say("measuring: a bare handler")
            said = ask(size, port, askers, size.rate, size.seconds)
        return [Stand("a bare handler (baseline)", said), *stands]


def stand(
    name: str,
    size: Size,
    runs: Service,
    askers: Sequence[Asker],
    hostile: Sequence[str] = (),
) -> Stand:
    """Measure for a while at the rate."""
    say(f"measuring: {name}")
    before = runs.log.stat().st_size
    with watched_memory(runs.process) as memory:
        if not hostile:
            said = ask(size, runs.port, askers, size.rate, size.seconds)
            return Stand(name, said, memory, logged_since(runs.log, before))
        misdeeds = Misdeeds().part(size.hostile_share)
        told = Hostility(runs.port, PREFIX, tuple(hostile), misdeeds, size.seconds)
        with started("hostile.py", told.text) as others:
            said = ask(size, runs.port, askers, size.rate, size.seconds)
            answered = read_line(others)
        return Stand(name, said, memory, logged_since(runs.log, before), answered)


def endurance(size: Size, runs: Service, askers: Sequence[Asker]) -> Stand:
    """Ask very often, as fast as is answered, and not faster than each user may."""
    say(f"measuring: {size.requests:,} requests")
    fast = size.users * MOST_OF_A_USER
    with watched_memory(runs.process) as memory:
        asking = Asking(runs.port, PREFIX, tuple(askers), 0, size.requests, size.connections)
        if fast < 1000:  # few users: their own limits are lower than what the service can
            asking = Asking(runs.port, PREFIX, tuple(askers), fast, size.requests, size.connections)
        said = answer_of(asking)
    return Stand(f"{size.requests:,} requests on end", said, memory)


def ask(
    size: Size, port: int, askers: Sequence[Asker], rate: float, seconds: float
) -> dict[str, Any]:
    """Have users' pages ask at a rate, for so long."""
    count = max(1, round(rate * seconds))
    return answer_of(Asking(port, PREFIX, tuple(askers), rate, count, size.connections))


def logged_since(log: Path, before: int) -> str:
    """Return how much was written into a log since it had so many bytes, and of what mostly."""
    with log.open("rb") as file:
        file.seek(before)
        text = file.read().decode(errors="replace")
    lines = [QUOTED.sub("'...'", line)[:90] for line in text.splitlines() if ERROR.match(line)]
    errors = Counter(lines)
    often = "; ".join(f"{count:,} times {line}" for line, count in errors.most_common(3))
    return f"{len(text) / 1024:,.0f} KiB in {text.count(chr(10)):,} lines; {often or 'no errors'}"


def answer_of(asking: Asking) -> dict[str, Any]:
    """Run the program that asks, and return what it says."""
    with started("callers.py", asking.text) as program:
        return read_line(program)


def started(name: str, told: str) -> "subprocess.Popen[str]":
    """Start one of the parts, and tell it what to do."""
    program = subprocess.Popen(
        [sys.executable, str(_PARTS / name)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    assert program.stdin is not None
    program.stdin.write(told + "\n")
    program.stdin.flush()
    return program


def read_line(program: "subprocess.Popen[str]") -> dict[str, Any]:
    """Return the one line that a part says."""
    assert program.stdout is not None
    line = program.stdout.readline()
    assert line, f"{program.args} ended without a word"
    return dict(json.loads(line))


def print_figures(size: Size, stands: Sequence[Stand]) -> bool:
    """Print tables; returns whether the goals are reached."""
    print(f"\n{size.users:,} users, {size.rate:g} requests a second for {size.seconds:g} s.")
    print(
        f"{'':<32}{'asked/s':>9}{'p50 ms':>9}{'p95 ms':>9}{'p99 ms':>9}{'worst':>9}"
        f"{'loop lag p99':>14}{'worst':>9}{'MiB then':>10}{'MiB now':>9}"
    )
    for each in stands:
        times, lag = each.said["all"], each.said["lag"]
        memory = (
            ""
            if each.memory is None
            else (f"{each.memory.after(0):>10.0f}{each.memory.after(1):>9.0f}")
        )
        print(
            f"{each.name:<32}{times['count'] / each.said['took_s']:>9.0f}{times['p50']:>9.1f}"
            f"{times['p95']:>9.1f}{times['p99']:>9.1f}{times['worst']:>9.1f}"
            f"{lag['p99']:>14.1f}{lag['worst']:>9.1f}{memory}"
        )
    for each in stands[1:]:
        kinds = ", ".join(f"{k} {t['p99']:.1f}" for k, t in sorted(each.said["kinds"].items()))
        print(f"  {each.name}: p99 in ms by kind: {kinds}; answered {told(each.said['statuses'])}")
        if each.logged:
            print(f"    the service logged {each.logged}")
        for deed, answers in (each.answered or {}).items():
            print(f"    {deed}: {told(answers)}")
    return print_verdict(stands)


def told(statuses: dict[str, int]) -> str:
    """Return how often what was answered; 0 is a connection that was taken, or broke off."""
    return ", ".join(f"{status}: {count:,}" for status, count in sorted(statuses.items()))


def print_verdict(stands: Sequence[Stand]) -> bool:
    """Say of each goal whether it is reached."""
    print()
    reached = True
    for each in stands[1:]:
        if each.name.endswith("on end"):
            continue
        p99 = each.said["all"]["p99"]
        reached = reached and p99 < GOAL_MS
        verdict = "reached" if p99 < GOAL_MS else "MISSED"
        print(f"Goal: p99 below {GOAL_MS:g} ms. {each.name}: {p99:.1f} ms: {verdict}.")
        refused = sum(n for status, n in each.said["statuses"].items() if status != "200")
        if refused:
            reached = False
            print(f"  but {refused:,} of {each.name} had no answer, or were refused: MISSED.")
    (long,) = (each for each in stands if each.name.endswith("on end"))
    assert long.memory is not None
    before, after = long.memory.after(0.1), long.memory.after(1)
    flat = after <= before * (1 + GOAL_GROWTH)
    print(
        f"Goal: memory grows by less than {GOAL_GROWTH:.0%} after the first tenth of "
        f"{long.said['all']['count']:,} requests. From {before:.0f} to {after:.0f} MiB: "
        f"{'reached' if flat else 'MISSED'}."
    )
    return reached and flat


def say(words: str) -> None:
    """Say on the error output how far it has come."""
    load = os.getloadavg()[0]
    print(f"[{time.strftime('%H:%M:%S')}, load {load:.1f}] {words}", file=sys.stderr, flush=True)


async def measured(size: Size) -> list[Stand]:
    """Measure, with a hub and a cluster that answer meanwhile."""
    async with fake_hub() as hub, fake_kube() as kube:
        return await asyncio.to_thread(run, size, hub, kube)


def main() -> int:
    """Measure, print tables; fails when a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=50)
    parser.add_argument("--rate", type=float, default=50, help="requests a second, of all users")
    parser.add_argument("--seconds", type=float, default=20, help="of each measurement")
    parser.add_argument("--requests", type=int, default=5000, help="on end, for what stays")
    parser.add_argument("--hostile", type=int, default=10, help="tenants")
    parser.add_argument(
        "--hostile-share", type=float, default=0.1, help="how much of their misdeeds they do"
    )
    parser.add_argument("--connections", type=int, default=32, help="as of a proxy")
    parser.add_argument("--json", type=Path, help="write the figures there too")
    asked = vars(parser.parse_args())
    to: Path | None = asked.pop("json")
    size = Size(**asked)
    load = os.getloadavg()[0]
    print(
        f"{platform.machine()}, {os.cpu_count()} CPUs (load {load:.1f} before), "
        f"Python {platform.python_version()}"
    )
    stands = asyncio.run(measured(size))
    reached = print_figures(size, stands)
    if to is not None:
        to.write_text(json.dumps([asdict(each) for each in stands], indent=2) + "\n")
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main())
