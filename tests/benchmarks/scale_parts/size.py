"""How large a pretended installation is, and what its nodes, servers and jobs look like."""

from dataclasses import dataclass
from typing import Final

GPU_TYPE: Final = "NVIDIA H100 80GB HBM3"
GPU_MIB: Final = 81559
MARGIN_MIB: Final = 1024
JOB_MIB: Final = 20 * 1024
UNIT_MIB: Final = 1024
UNITS_A_JOB: Final = 20
QUOTA: Final = """
sizes:
  - {name: most, memory: 60 GiB, compute: 0.75}
everyone: {jobs: {most: unlimited}}
"""


@dataclass(frozen=True)
class Size:
    """So many nodes with their GPUs, servers that hold a slice, and jobs that wait."""

    nodes: int
    gpus: int
    servers: int
    jobs: int

    @property
    def gpus_a_node(self) -> int:
        return self.gpus // self.nodes

    @property
    def names(self) -> list[str]:
        """The nodes."""
        return [f"scale-{number:04}" for number in range(self.nodes)]

    @property
    def lending(self) -> int:
        """On how many nodes there is room for all jobs, one on each GPU."""
        return -(-self.jobs // self.gpus_a_node)

    def tenth(self) -> "Size":
        """The same with a tenth of everything, for the ratio."""
        return Size(*(max(1, each // 10) for each in (self.nodes, self.gpus, *self._held)))

    @property
    def _held(self) -> tuple[int, int]:
        return self.servers, self.jobs

    def __str__(self) -> str:
        return (
            f"{self.nodes:,} nodes, {self.gpus:,} GPUs, {self.servers:,} servers, "
            f"{self.jobs:,} waiting jobs"
        )


def gpu_id(node: str, index: int) -> str:
    return f"GPU-{node}-{index}"
