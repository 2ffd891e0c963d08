"""What the service takes of a machine in a large installation, and how soon its jobs are bound.

The service is the real one, in a process of its own, as the chart has it run: agents prove their
nodes by tokens, jobs run as pods, a Lease says that it writes. The control plane is Kubernetes'
own; its nodes are played by kwok, their agents by one more process, over real connections, and
JupyterHub's API by this one. Servers are known by their slices and what is told of their pods.

Baselines in the same run: of the CPU, a tenth of the installation, and a server that only checks
what the agents report; of the time from room to a bound pod, as many plain pods that wait for as
much room of the same nodes without Sublet.
Run it: ``PYTHONPATH=. python tests/benchmarks/scale.py``; it takes eight minutes.
"""

import argparse
import asyncio
import json
import os
import platform
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from scale_parts.cluster import BoundPods, Cluster, cluster
from scale_parts.service import (
    Agents,
    Service,
    Taken,
    agents,
    at,
    measure,
    median,
    reading_server,
    service,
)
from scale_parts.size import JOB_MIB, UNITS_A_JOB, Size

from tests.support.hub_world import FakeHub, fake_hub
from tests.support.kube.processes import wait_for
from tests.support.kube.programs import MissingError

GOAL_CORES, GOAL_MIB, GOAL_REQUESTS_PER_S = 1.0, 500.0, 20.0
SETTLES_S = 15.0
"""What is begun at once is over by then, such as the first reports of all agents."""
SINGLE_ROOMS = 20
BINDS_WITHIN_S = 900.0


@dataclass(frozen=True)
class Stand:
    """What the service took while nothing changed but reports."""

    name: str
    taken: Taken
    reports_per_s: float
    asked: dict[str, int] = field(default_factory=dict)
    lost: int = 0
    """How many connections of agents were lost meanwhile."""

    @property
    def requests_per_s(self) -> float:
        return sum(self.asked.values()) / self.taken.seconds


@dataclass(frozen=True)
class Rooms:
    """How long it took from room to a bound pod, in seconds."""

    single: list[float]
    """One room at a time, while all other jobs wait."""
    at_once: list[float]
    """Room for all that still wait."""
    asked: dict[str, int]
    took_s: float
    """From the first of the rooms at once until the last pod was bound."""
    taken: Taken


@dataclass(frozen=True)
class Figures:
    """All that one run found."""

    plain: list[float]
    stands: list[Stand]
    rooms: Rooms
    began: Mapping[str, float]


def run(size: Size, window_s: float, hub: FakeHub) -> Figures:
    """Measure everything."""
    with tempfile.TemporaryDirectory() as made, cluster(size) as found:
        folder = Path(made)
        say(f"the cluster has {size.nodes} nodes")
        tokens = found.agents_tokens(size.names)
        say("plain pods wait for room")
        plain = found.bind_plain_pods(size)
        with ExitStack() as stack:
            url, server = stack.enter_context(reading_server(size.servers // size.nodes))
            speakers, _ = stack.enter_context(agents(url, tokens, size.gpus_a_node, folder))
            say("agents report to the server that only reads")
            floor = stand("only reading reports", server, speakers, window_s)
        small = size.tenth()
        hub.servers.clear()
        stands = [floor]
        with ExitStack() as stack:
            some = {name: tokens[name] for name in small.names}
            runs, speakers, _ = begin(stack, found, hub, small, some, folder / "small")
            stands.append(stand("a tenth", runs.process, speakers, window_s, runs))
        hub.servers.clear()
        with ExitStack() as stack:
            runs, speakers, began = begin(stack, found, hub, size, tokens, folder / "whole")
            stands.append(stand("all, jobs wait", runs.process, speakers, window_s, runs))
            rooms = lend_rooms(runs, speakers, size)
            time.sleep(SETTLES_S)
            stands.append(stand("all, jobs run", runs.process, speakers, window_s, runs))
        return Figures(plain, stands, rooms, began)


def begin(  # noqa: PLR0913, PLR0917 - all that an installation is made of
    stack: ExitStack,
    found: Cluster,
    hub: FakeHub,
    size: Size,
    tokens: Mapping[str, str],
    folder: Path,
) -> tuple[Service, Agents, dict[str, float]]:
    """Start the service, connect its agents, start servers and submit jobs."""
    runs = stack.enter_context(service(found, hub, folder))
    say(f"the service runs as process {runs.process.pid}")
    speakers, took_s = stack.enter_context(agents(runs.link_url, tokens, size.gpus_a_node, folder))
    say(f"{len(tokens)} agents are connected")
    servers = runs.start_servers(size.servers)
    say(f"{size.servers} servers have their slices")
    jobs = runs.submit_jobs(size.jobs)
    say(f"{size.jobs} jobs wait")
    began = {
        "all agents connected, s": took_s,
        "a server's slice and pod told, median s": median(servers),
        "a job submitted, median s": median(jobs),
    }
    time.sleep(SETTLES_S)
    return runs, speakers, began


def stand(
    name: str, process: Any, speakers: Agents, window_s: float, runs: Service | None = None
) -> Stand:
    """Measure for a while in which nothing changes."""
    say(f"measuring: {name}")
    before, began, lost = speakers.sent(), time.time(), len(speakers.lost)
    taken = measure(process, window_s, None if runs is None else runs.ask)
    ended, sent = time.time(), speakers.sent()
    asked = {} if runs is None else runs.cluster.asked(began, ended)
    lost = len(speakers.lost) - lost
    return Stand(name, taken, (sent - before) / (ended - began), asked, lost)


def lend_rooms(runs: Service, speakers: Agents, size: Size) -> Rooms:
    """Have nodes lend room, one after another, and then all that is needed at once."""
    found, lending = runs.cluster, sorted(set(runs.nodes))[: size.lending]
    singles = lending[: min(SINGLE_ROOMS, len(lending) // 4)]
    rest = lending[len(singles) :]
    bound = BoundPods(found.api).begin()

    def lend(nodes: list[str], most: int) -> list[float]:
        """Give room to some nodes; return how long after all was told jobs were bound there."""
        known = set(bound.seen)
        units = dict.fromkeys(nodes, size.gpus_a_node * UNITS_A_JOB)
        given = found.lend(units)
        told_at = speakers.lend(dict.fromkeys(nodes, JOB_MIB))

        def new() -> set[str]:
            return set(bound.seen) - known

        def story() -> str:
            return f"{most} pods to be bound: {len(new())} are, and {runs.jobs()}"

        wait_for(lambda: len(new()) >= most, BINDS_WITHIN_S, story)
        rooms = (bound.seen[name] for name in new())
        return [when - max(given[node], told_at) for node, when in rooms]

    single = []
    for node in singles:
        single += lend([node], size.gpus_a_node)
    say(f"{len(single)} jobs are bound, room by room")
    began, before = time.time(), runs.process.cpu_times()
    at_once = lend(rest, size.jobs - len(single))
    ended, after = time.time(), runs.process.cpu_times()
    say(f"{len(at_once)} more are bound")
    used = after.user + after.system - before.user - before.system
    rss = runs.process.memory_info().rss / 2**20
    taken = Taken(ended - began, used / (ended - began), rss, [])
    return Rooms(single, at_once, found.asked(began, ended), ended - began, taken)


def print_figures(size: Size, figures: Figures) -> bool:
    """Print tables; returns whether the goal is reached."""
    print(f"\n{size}; window of {figures.stands[0].taken.seconds:.0f} s.")
    print(
        f"{'':<24}{'cores':>8}{'MiB':>8}{'reports/s':>11}{'CPU a report, us':>18}"
        f"{'API server, asked/s':>21}{'answers, ms: median':>21}{'p95':>8}"
    )
    for each in figures.stands:
        taken = each.taken
        answers = (
            f"{median(taken.answers_ms):>21.1f}{at(taken.answers_ms, 0.95):>8.1f}"
            if taken.answers_ms
            else f"{'-':>21}{'-':>8}"
        )
        print(
            f"{each.name:<24}{taken.cores:>8.3f}{taken.rss_mib:>8.0f}{each.reports_per_s:>11.0f}"
            f"{1e6 * taken.cores / each.reports_per_s:>18.0f}{each.requests_per_s:>21.2f}{answers}"
        )
    for each in figures.stands[1:]:
        print(f"  {each.name}: asked {_most(each.asked)}; {each.lost} agents hung up on")
    rooms = figures.rooms
    print("\nFrom room to a bound pod, s.")
    print(f"{'':<42}{'jobs':>6}{'median':>9}{'p95':>9}{'worst':>9}")
    for name, took in (
        ("as many plain pods, at once (baseline)", figures.plain),
        ("Sublet, one node's room at a time", rooms.single),
        ("Sublet, all at once", rooms.at_once),
    ):
        if took:
            print(
                f"{name:<42}{len(took):>6}{median(took):>9.2f}{at(took, 0.95):>9.2f}"
                f"{max(took):>9.2f}"
            )
    per_s = sum(rooms.asked.values()) / rooms.took_s
    print(
        f"  all at once took {rooms.took_s:.1f} s: {per_s:.1f} asked/s ({_most(rooms.asked)}), "
        f"{rooms.taken.cores:.2f} cores, {rooms.taken.rss_mib:.0f} MiB"
    )
    for name, value in figures.began.items():
        print(f"  {name}: {value:.3f}")
    return print_verdict(figures)


def print_verdict(figures: Figures) -> bool:
    """Say of each goal whether it is reached."""
    steady = [each for each in figures.stands if each.name.startswith("all")]
    found = (
        ("cores", max(each.taken.cores for each in steady), GOAL_CORES),
        ("MiB", max(each.taken.rss_mib for each in steady), GOAL_MIB),
        ("requests a second", max(each.requests_per_s for each in steady), GOAL_REQUESTS_PER_S),
    )
    print()
    for what, worst, goal in found:
        said = "reached" if worst <= goal else "MISSED"
        print(f"Goal: {goal:g} {what}. Most, where jobs wait or run: {worst:.3g}: {said}.")
    return all(worst <= goal for _, worst, goal in found)


def _most(asked: dict[str, int]) -> str:
    most = Counter(asked).most_common(6)
    return ", ".join(f"{count} {what}" for what, count in most) or "nothing"


def say(words: str) -> None:
    """Say on the error output how far it has come."""
    load = os.getloadavg()[0]
    print(f"[{time.strftime('%H:%M:%S')}, load {load:.1f}] {words}", file=sys.stderr, flush=True)


async def measured(size: Size, window_s: float) -> Figures:
    """Measure, with a hub that answers meanwhile."""
    async with fake_hub() as hub:
        return await asyncio.to_thread(run, size, window_s, hub)


def main() -> int:
    """Measure, print tables; fails when a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=1000)
    parser.add_argument("--gpus", type=int, default=4000, help="on all nodes together")
    parser.add_argument("--servers", type=int, default=2000, help="notebook servers with a slice")
    parser.add_argument("--jobs", type=int, default=500, help="jobs that wait")
    parser.add_argument("--window", type=float, default=60, help="seconds of each measurement")
    parser.add_argument("--json", type=Path, help="write the figures there too")
    asked = parser.parse_args()
    size = Size(asked.nodes, asked.gpus, asked.servers, asked.jobs)
    load = os.getloadavg()[0]
    print(
        f"{platform.machine()}, {os.cpu_count()} CPUs (load {load:.1f} before), "
        f"Python {platform.python_version()}"
    )
    try:
        figures = asyncio.run(measured(size, asked.window))
    except MissingError as missing:
        print(f"not measured, no Kubernetes here: {missing}")
        return 0
    reached = print_figures(size, figures)
    if asked.json is not None:
        asked.json.write_text(json.dumps(asdict(figures), indent=2) + "\n")
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main())
