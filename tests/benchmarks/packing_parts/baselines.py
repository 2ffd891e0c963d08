"""Best fit and FGD, as they were published: ``hkust-adsl/kubernetes-scheduler-simulator``.

FGD ("Beware of Fragmentation", USENIX ATC'23) knows the pods that make up 95 % of a list, by their
CPU and GPUs, with how often each comes. Idle room on a node is a fragment for a pod where the node
cannot have the pod, and where a GPU alone has too little for it; a node is the better the less
fragments become more, through a sigmoid to whole hundredths. Best fit goes by what is left of CPU
and GPUs, each in parts of the largest node. Of equal nodes the first by its name is taken.

What a node is worth to a pod is remembered until the node changes: that changes no choice.
"""

import math
from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Callable

from packing_parts.workload import WHOLE, Node, Pod

Placed = tuple[int, tuple[int, ...]]
"""The number of a node, and the GPUs there."""
_Scored = tuple[float, str, int, tuple[int, ...]]
_MOST_CPU_MILLI = 128_000
_MOST_GPU_MILLI = 8 * WHOLE
_POPULAR = 0.95


class KeptScores:
    """The nodes in their order for each kind of pod: those that changed are scored again."""

    def __init__(
        self, nodes: list[Node], score: Callable[[Node, Pod], tuple[float, tuple[int, ...]] | None]
    ) -> None:
        self._nodes = nodes
        self._score = score
        self._changed: dict[int, int] = dict.fromkeys(range(len(nodes)), 0)
        self._changes = 0
        self._seen: dict[Pod, int] = {}
        self._orders: dict[Pod, list[_Scored]] = {}
        self._known: dict[Pod, dict[int, _Scored]] = {}

    def place(self, pod: Pod) -> Placed | None:
        """Return the best place for a pod."""
        order = self._orders.setdefault(pod, [])
        known = self._known.setdefault(pod, {})
        seen = self._seen.get(pod, -1)
        for number in reversed(self._changed):
            if self._changed[number] <= seen:
                break
            if number in known:
                del order[bisect_left(order, known.pop(number))]
            node = self._nodes[number]
            found = self._score(node, pod) if _has_beside(node, pod) else None
            if found is not None:
                known[number] = (found[0], node.name, number, found[1])
                insort(order, known[number])
        self._seen[pod] = self._changes
        return order[0][2:] if order else None

    def placed(self, number: int) -> None:
        """Note that a node is other than before."""
        self._changes += 1
        self._changed.pop(number)
        self._changed[number] = self._changes


def best_fit(node: Node, pod: Pod) -> tuple[float, tuple[int, ...]] | None:
    """Return what is left, in whole hundredths; of a node the tightest GPU is taken."""
    cards = _tightest(node, pod)
    if cards is None:
        return None
    gpu = sum(node.rooms) - pod.milli
    left = (node.cpu_milli - pod.cpu_milli) / _MOST_CPU_MILLI + gpu / _MOST_GPU_MILLI
    return -int(100 * (1 - left / 2)), cards


def tightest_card(node: Node, pod: Pod) -> tuple[float, tuple[int, ...]] | None:
    """Return the room of the card, or of all of the node, before the pod takes from it."""
    cards = _tightest(node, pod)
    if cards is None:
        return None
    return (node.rooms[cards[0]] if pod.milli < WHOLE and cards else sum(node.rooms)), cards


class Fgd:
    """Fragments by what a list of pods says is asked for."""

    def __init__(self, pods: list[Pod]) -> None:
        kinds = Counter((pod.cpu_milli, pod.gpus, pod.gpu_milli) for pod in pods).most_common()
        typical: list[tuple[tuple[int, int, int], int]] = []
        while sum(often for _, often in typical) < _POPULAR * len(pods):
            typical.append(kinds[len(typical)])
        total = sum(often for _, often in typical)
        self._typical = [(*kind, often / total) for kind, often in typical]
        self._known: dict[tuple[int, tuple[int, ...]], float] = {}

    def __call__(self, node: Node, pod: Pod) -> tuple[float, tuple[int, ...]] | None:
        """Return the score, the less the better, and on which GPU it is had."""
        cpu, rooms = node.cpu_milli, tuple(node.rooms)
        before = self._fragments(cpu, rooms)
        if pod.milli % WHOLE == 0:
            cards = _tightest(node, pod)
            ways = [] if cards is None else [cards]
        else:
            ways = [(card,) for card, room in enumerate(rooms) if room >= pod.gpu_milli]
        best: tuple[float, tuple[int, ...]] | None = None
        for cards in ways:
            left = tuple(
                room - pod.gpu_milli if card in cards else room for card, room in enumerate(rooms)
            )
            more = self._fragments(cpu - pod.cpu_milli, left) - before
            score = -int(100 / (1 + math.exp(more / WHOLE)))
            if best is None or score < best[0]:
                best = score, cards
        return best

    def _fragments(self, cpu_milli: int, rooms: tuple[int, ...]) -> float:
        key = cpu_milli, tuple(sorted(rooms))
        if key not in self._known:
            self._known[key] = self._add_up(*key)
        return self._known[key]

    def _add_up(self, cpu_milli: int, rooms: tuple[int, ...]) -> float:
        idle, found = sum(rooms), 0.0
        for cpu, gpus, gpu_milli, often in self._typical:
            large = [room for room in rooms if room >= gpu_milli]
            fits = gpus and cpu_milli >= cpu and len(large) >= gpus
            found += often * (idle - sum(large) if fits else idle)
        return found


def _has_beside(node: Node, pod: Pod) -> bool:
    return node.cpu_milli >= pod.cpu_milli and node.memory_mib >= pod.memory_mib


def _tightest(node: Node, pod: Pod) -> tuple[int, ...] | None:
    fitting = sorted(
        (room, card) for card, room in enumerate(node.rooms) if room >= pod.gpu_milli and pod.gpus
    )
    if len(fitting) < pod.gpus:
        return None
    return tuple(card for _, card in fitting[: pod.gpus])
