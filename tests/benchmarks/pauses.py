"""How long pausing and unpausing a process takes on simulated GPUs whose moves take no time.

The baseline, in the same run, is a question that changes nothing, over the same socket: what the
daemon and the agent's own checks add is the rest. Times are in milliseconds.
Run it: ``python tests/benchmarks/pauses.py``.
"""

import statistics
import time
from collections.abc import Callable

from tests.support.simulated_gpus import simulated_gpus

ROUNDS = 500


def measure(call: Callable[[], object], undo: Callable[[], object] = lambda: None) -> list[float]:
    taken = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        call()
        taken.append((time.perf_counter() - began) * 1000)
        undo()
    return taken


def main() -> None:
    with simulated_gpus(instant=True) as gpus:
        tenant = gpus.tenant()
        tenant.run("gpu.memory_info()")
        device = gpus.device
        kinds = {
            "baseline: the card's memory": measure(lambda: device.memory(gpus.gpu_id)),
            "the process's state": measure(lambda: device.state(tenant.pid)),
            "pause": measure(
                lambda: device.pause(tenant.pid, 1000), lambda: device.unpause(tenant.pid)
            ),
        }
    baseline = statistics.median(kinds["baseline: the card's memory"])
    print(f"{'':30} {'median':>8} {'p99':>8} {'to baseline':>12}")
    for what, taken in kinds.items():
        median, last = statistics.median(taken), sorted(taken)[int(0.99 * ROUNDS)]
        print(f"{what:30} {median:8.3f} {last:8.3f} {median / baseline:11.1f}x")


if __name__ == "__main__":
    main()
