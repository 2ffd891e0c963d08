"""What freezing the other slices adds to a give-back.

First the freezer alone, on this machine's kernel: neighbours of some processes each are frozen
until they stand still, and thawed. Then whole restores by a real agent on a simulated GPU whose
moves take no time: the baseline, in the same run, is the same agent with freezing switched off.
Times are in milliseconds. Needs an account that can freeze control groups (root).
Run it: ``python tests/benchmarks/freezing.py``.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sublet_agent.cgroups.groups_file import thaw_left_over
from sublet_agent.cgroups.node_groups import GROUPS_NAME
from sublet_agent.cgroups.trees import FreezerTree
from sublet_agent.processes.process_table import LinuxProcessTable

from tests.support.agent_world import AgentWorld, Kernel, agent_world
from tests.support.control_groups import GPU, control_groups, freezers, leave_no_groups

NEIGHBOURS = (1, 4, 16)
PROCESSES = 8


@contextmanager
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="sublet-freezing-") as made:
        yield Path(made)


def figures(times_s: list[float]) -> dict[str, float]:
    in_order = sorted(t * 1000 for t in times_s)
    last = in_order[min(len(in_order) - 1, int(len(in_order) * 0.99))]
    return {"median": round(statistics.median(in_order), 2), "p99": round(last, 2)}


def freezer_alone(tree: FreezerTree, neighbours: int, rounds: int) -> dict[str, object]:
    with folder() as place, control_groups(tree, place) as groups:
        mine = groups.family()
        kernels = [mine.starts("child") for _ in range(PROCESSES - 1)]
        others = [groups.family() for _ in range(neighbours)]
        for other in others:
            for _ in range(PROCESSES - 1):
                other.starts("child")
        slices = [groups.slice(f"s{n}", other) for n, other in enumerate(others)]
        groups.serve(groups.slice("mine", mine), *slices)
        began = time.perf_counter()
        groups.freezer.set_apart("mine", kernels[:1])
        apart_s = time.perf_counter() - began
        freeze_s, thaw_s = [], []
        for _ in range(rounds):
            began = time.perf_counter()
            with groups.freezer.freeze_neighbours(GPU, "mine", kernels[:1], 5.0) as stillness:
                freeze_s.append(time.perf_counter() - began)
                assert stillness.problem == "", stillness.problem
                began = time.perf_counter()
            thaw_s.append(time.perf_counter() - began)
            time.sleep(0.002)
        return {
            "version": tree.version,
            "neighbours": neighbours,
            "processes": (neighbours + 1) * PROCESSES,
            "freeze": figures(freeze_s),
            "thaw": figures(thaw_s),
            "set apart, once": round(apart_s * 1000, 2),
        }


def give_backs(rounds: int, *options: str) -> dict[str, float]:
    """Two owners who do not fit together, in turns: how long each restore takes in all."""
    with folder() as place:
        groups = place / "state" / GROUPS_NAME
        try:
            with agent_world(place, "--SubletAgent.tick_s=0.05", *options) as world:
                took_s = _take_turns(world, rounds)
                thaw_left_over(groups)
        finally:
            leave_no_groups(groups)
    return figures(took_s)


def _take_turns(world: AgentWorld, rounds: int) -> list[float]:
    table = LinuxProcessTable()

    def first(kernel: Kernel) -> dict[str, object]:
        identity = table.identify(kernel.pid)
        assert identity is not None
        start = table.started_at(identity)
        return {"root_pid": kernel.pid, "root_start_time": start, "uid": os.getuid()}

    kernels = {s: world.kernel(s) for s in ("a", "b")}
    world.serve(*(world.notebook(s, 60, **first(k)) for s, k in kernels.items()), turn_s=0.05)
    for kernel in kernels.values():
        kernel.enter()
        kernel.fill(40, 1)
    before = len(world.events("resumed"))
    for _ in range(rounds):
        for kernel in kernels.values():
            kernel.enter()
    world.until(lambda: len(world.events("resumed")) >= before + rounds, 60)
    return [e.took_s for e in world.events("resumed")[before:]]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=200)
    options.add_argument("--give-backs", type=int, default=15)
    chosen = options.parse_args()
    with folder() as place:
        trees = freezers(place)
    if not trees:
        print("no control groups that this account can freeze: nothing to measure")
        return
    results: list[dict[str, object]] = []
    for tree in trees.values():
        for neighbours in NEIGHBOURS:
            results.append(freezer_alone(tree, neighbours, chosen.rounds))
            print(json.dumps(results[-1]))
    for name, more in (("freezing", ()), ("baseline", ("--SubletAgent.freeze=False",))):
        print(json.dumps({"a restore": name, **give_backs(chosen.give_backs, *more)}))


if __name__ == "__main__":
    main()
