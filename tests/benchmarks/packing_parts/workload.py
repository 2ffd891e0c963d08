"""The nodes and pods of Alibaba's published cluster (openb, 2023), or drawn ones of their shape.

The protocol is that of "Beware of Fragmentation" (Weng et al., USENIX ATC'23): all pods of a list,
shuffled, and after them pods drawn again with replacement, until together they ask for 130 % of the
GPUs. None ever leaves. Only nodes with GPUs take part; pods without one are placed there, too.
"""

import csv
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support.real_traces import FOLDER

OPENB = FOLDER / "openb"
VARIANTS = ("default", "gpushare40", "multigpu20")
DEMAND = 1.3
WHOLE = 1000


@dataclass(frozen=True)
class Pod:
    """What a pod asks for: of each of its GPUs so many thousandths."""

    cpu_milli: int
    memory_mib: int
    gpus: int
    gpu_milli: int

    @property
    def milli(self) -> int:
        """What it asks for of all its GPUs together."""
        return self.gpus * self.gpu_milli


@dataclass
class Node:
    """What is free on a node."""

    name: str
    cpu_milli: int
    memory_mib: int
    rooms: list[int]
    """Of each GPU, in thousandths."""

    def take(self, pod: Pod, cards: tuple[int, ...]) -> None:
        """Put a pod here; ``AssertionError`` where it does not fit."""
        self.cpu_milli -= pod.cpu_milli
        self.memory_mib -= pod.memory_mib
        for card in cards:
            self.rooms[card] -= pod.gpu_milli
        assert len(set(cards)) == pod.gpus, (pod, cards)
        assert min(self.cpu_milli, self.memory_mib, *self.rooms) >= 0, (self, pod)


def published(variant: str) -> tuple[list[Node], list[Pod]]:
    """Read the nodes with GPUs, and the pods of a list, in the order of their names."""
    nodes = [
        Node(row["sn"], int(row["cpu_milli"]), int(row["memory_mib"]), [WHOLE] * int(row["gpu"]))
        for row in _rows(OPENB / "openb_node_list_all_node.csv")
        if int(row["gpu"])
    ]
    asked = ("cpu_milli", "memory_mib", "num_gpu", "gpu_milli")
    rows = _rows(OPENB / f"openb_pod_list_{variant}.csv")
    return nodes, [Pod(*(int(row[name]) for name in asked)) for row in rows]


def drawn(variant: str) -> tuple[list[Node], list[Pod]]:
    """Draw 60 nodes and 500 pods, for machines where the trace is not."""
    rng = random.Random(variant)  # noqa: S311 - the same in each run
    kinds = [(96_000, 393_216, 8)] * 5 + [(104_000, 524_288, 2)] * 4 + [(32_000, 131_072, 4)]
    nodes = [
        Node(f"node-{number:02}", cpu, memory, [WHOLE] * gpus)
        for number, (cpu, memory, gpus) in enumerate(rng.choices(kinds, k=60))
    ]
    shared = 0.6 if variant == "gpushare40" else 0.45
    several = 0.04 if variant == "multigpu20" else 0.01
    pods = []
    for _ in range(500):
        cpu, part = rng.choice((3_000, 8_000, 11_000, 12_000, 18_000)), rng.random()
        if part < several:
            gpus = rng.choice((2, 4, 8))
            pods.append(Pod(gpus * cpu // 2, gpus * 16_384, gpus, WHOLE))
        elif part < shared:
            pods.append(Pod(cpu, 16_384, 1, rng.choice((230, 320, 470, 650, 810))))
        else:
            pods.append(Pod(cpu, 32_768, int(part < 0.88), WHOLE if part < 0.88 else 0))
    return nodes, pods


def arrivals(nodes: list[Node], pods: list[Pod], seed: int) -> list[Pod]:
    """Return the pods as they come, until they ask for 130 % of the GPUs."""
    rng = random.Random(seed)  # noqa: S311 - the same in each run
    most = DEMAND * WHOLE * sum(len(node.rooms) for node in nodes)
    coming = list(pods)
    rng.shuffle(coming)
    asked = sum(pod.milli for pod in coming)
    while asked > most:
        asked -= coming.pop(rng.randrange(len(coming))).milli
    while True:
        pod = rng.choice(pods)
        asked += pod.milli
        if asked > most:
            return coming
        coming.append(pod)


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with path.open(newline="") as lines:
        yield from csv.DictReader(lines)
