"""How much of a cluster's GPUs is handed out when more is asked for than there is, beside FGD.

The protocol of "Beware of Fragmentation" (USENIX ATC'23) over Alibaba's published nodes and pods:
``packing_parts.workload`` tells it. Told are the part of the GPUs that is handed out at 130 %
demand, the difference to FGD on the same arrivals with its 95 % interval, how many requests for
eight GPUs are refused, and how long one decision takes, with entering what it changes. Ours is what
placement goes by (``sublet_quota.placement.packing``): it is told no more than FGD is. CPU and
memory of the nodes bind for all. ``SUBLET_TRACES`` names the folder of the trace; without it a
small one is drawn, which is said.
Run it: ``PYTHONPATH=. python tests/benchmarks/packing.py``.
"""

import argparse
import math
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from itertools import islice
from typing import Protocol

from packing_parts.baselines import Fgd, KeptScores, Placed, best_fit, tightest_card
from packing_parts.workload import OPENB, VARIANTS, WHOLE, Node, Pod, arrivals, drawn, published
from sublet_quota.amounts.gpu_amounts import GpuAmount
from sublet_quota.amounts.gpu_kind import GpuKind
from sublet_quota.amounts.node_amounts import NodeAmount, NodeRoom
from sublet_quota.names.ids import NodeId
from sublet_quota.placement.packing.asked_mix import AskedMix, Want
from sublet_quota.placement.packing.node_worth import NodeWorth
from sublet_quota.placement.packing.scored_nodes import ScoredNodes

KIND = GpuKind("GPU", WHOLE, 0)
"""As the trace has one: a part of a card is the same part of its memory and its compute."""
EIGHT = 8
GOAL, GOAL_MORE, GOAL_US = 95.9, 0.3, 50.0
T_95 = {1: 12.71, 2: 4.30, 3: 3.18, 4: 2.78, 5: 2.57, 6: 2.45, 7: 2.36, 8: 2.31, 9: 2.26}
"""Student's t for an interval of 95 %, by degrees of freedom; beyond these 1.96."""


class Policy(Protocol):
    """Where a pod goes."""

    def place(self, pod: Pod) -> Placed | None:
        """Return the node and the cards for a pod; ``None``: it is refused."""
        ...

    def placed(self, number: int) -> None:
        """Note that a node is other than before."""
        ...


class Ours:
    """What placement goes by."""

    def __init__(self, nodes: list[Node], pods: list[Pod]) -> None:
        mix = AskedMix.on(KIND, Counter(map(want_of, pods)).items())
        assert mix is not None
        self._nodes = nodes
        self._scored = ScoredNodes(NodeWorth(mix))
        self._wants = {pod: want_of(pod) for pod in set(pods)}
        for number in range(len(nodes)):
            self.placed(number)

    def place(self, pod: Pod) -> Placed | None:
        """Return the first of the best."""
        for _, name, choice in islice(self._scored.best_first(self._wants[pod]), 1):
            number, cards = int(name), []
            rooms = self._nodes[number].rooms
            for room, _ in choice.taken:
                cards.append(
                    next(n for n, left in enumerate(rooms) if left == room and n not in cards)
                )
            return number, tuple(cards)
        return None

    def placed(self, number: int) -> None:
        """Enter how a node is now."""
        node = self._nodes[number]
        rooms = tuple((room, room) for room in node.rooms)
        left = NodeRoom(node.cpu_milli, node.memory_mib)
        self._scored.put(NodeId(str(number)), rooms, left)


def want_of(pod: Pod) -> Want:
    """Return what a pod asks for, as placement knows it."""
    takes = NodeAmount(pod.cpu_milli, pod.memory_mib)
    return Want(GpuAmount(pod.gpu_milli, pod.gpu_milli), pod.gpus, takes)


POLICIES: dict[str, Callable[[list[Node], list[Pod]], Policy]] = {
    "best fit": lambda nodes, _: KeptScores(nodes, best_fit),
    "tightest card": lambda nodes, _: KeptScores(nodes, tightest_card),
    "FGD": lambda nodes, pods: KeptScores(nodes, Fgd(pods)),
    "ours": Ours,
}


@dataclass
class Result:
    """What became of the pods of a list under one policy, a value a seed."""

    handed_out: list[float] = field(default_factory=list)
    """In percent of all GPUs."""
    eights_refused: list[int] = field(default_factory=list)
    took_us: list[float] = field(default_factory=list)
    """Each decision, of all seeds."""


class Watch:
    """How long something takes, without what others do on the machine meanwhile.

    Reading the time of a process is slow on some machines, and that of the wall counts others'
    work: the lesser of both is told.
    """

    def start(self) -> None:
        """Begin."""
        self._process, self._wall = time.process_time(), time.perf_counter()

    def took_us(self) -> float:
        """Return what it took since then, in microseconds."""
        wall = time.perf_counter() - self._wall
        return min(wall, time.process_time() - self._process) * 1e6


def run(result: Result, policy: Policy, nodes: list[Node], coming: list[Pod]) -> None:
    """Place the pods one after another."""
    used = eights = 0
    watch = Watch()
    for pod in coming:
        watch.start()
        place = policy.place(pod)
        took_us = watch.took_us()
        if place is None:
            eights += pod.gpus == EIGHT
        else:
            nodes[place[0]].take(pod, place[1])
            used += pod.milli
            watch.start()
            policy.placed(place[0])
            took_us += watch.took_us()
        result.took_us.append(took_us)
    result.handed_out.append(100 * used / WHOLE / sum(len(node.rooms) for node in nodes))
    result.eights_refused.append(eights)


def interval(more: list[float]) -> float:
    """Return by how much the mean of these may be off, to both sides."""
    if len(more) == 1:
        return float("inf")
    spread: float = statistics.stdev(more)
    return T_95.get(len(more) - 1, 1.96) * spread / math.sqrt(len(more))


def compare(variant: str, seeds: list[int]) -> dict[str, Result]:
    """Run all policies on the same arrivals."""
    nodes, pods = (published if OPENB.is_dir() else drawn)(variant)
    results = {name: Result() for name in POLICIES}
    for seed in seeds:
        coming = arrivals(nodes, pods, seed)
        for name, begin in POLICIES.items():
            left = deepcopy(nodes)
            run(results[name], begin(left, pods), left, coming)
    return results


def print_results(variant: str, results: dict[str, Result]) -> None:
    """Print a line a policy."""
    for name, one in results.items():
        pairs = zip(one.handed_out, results["FGD"].handed_out, strict=True)
        more = [ours - theirs for ours, theirs in pairs]
        centiles = statistics.quantiles(one.took_us, n=100)
        print(
            f"{variant:<12}{name:<15}{statistics.mean(one.handed_out):>8.2f} %"
            f"{statistics.mean(more):>+8.2f} ± {interval(more):.2f}"
            f"{statistics.mean(one.eights_refused):>10.1f}"
            f"{centiles[49]:>10.0f}{statistics.mean(one.took_us):>8.0f}{centiles[98]:>8.0f}",
            flush=True,
        )


def missed_in(variant: str, results: dict[str, Result]) -> list[str]:
    """Return which goals were missed."""
    ours, fgd = results["ours"], results["FGD"]
    missed, handed_out = [], statistics.mean(ours.handed_out)
    more, least = handed_out - statistics.mean(fgd.handed_out), 0.0
    if variant == "default":
        least = GOAL_MORE
        if handed_out < GOAL:
            missed.append(f"{variant}: {handed_out:.2f} % handed out, goal {GOAL}")
    if more < least:
        missed.append(f"{variant}: {more:+.2f} beside FGD, goal {least:+.2f}")
    if sum(ours.eights_refused) > sum(fgd.eights_refused):
        missed.append(f"{variant}: more requests for 8 GPUs are refused than by FGD")
    median = statistics.median(ours.took_us)
    if median > GOAL_US:
        print(f"{variant}: {median:.0f} us a decision at the median, goal {GOAL_US:.0f}")
    return missed


def main() -> int:
    """Print a table; fails where a goal is missed, but for the time: machines differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--variants", nargs="+", default=VARIANTS)
    asked = parser.parse_args()
    real = OPENB.is_dir()
    print(f"{OPENB}" if real else f"No trace in {OPENB} (SUBLET_TRACES): a small one is drawn.")
    print(
        f"{'list':<12}{'policy':<15}{'handed out':>10}{'beside FGD':>15}{'8 refused':>10}"
        f"{'median us':>10}{'mean':>8}{'p99':>8}"
    )
    missed: list[str] = []
    for variant in asked.variants:
        results = compare(variant, list(range(42, 42 + asked.seeds)))
        print_results(variant, results)
        missed += missed_in(variant, results)
    if not real:
        print("Goals are the trace's: of so few nodes one seed says little.")
        return 0
    print("\n".join(missed) or "Goals reached.")
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
