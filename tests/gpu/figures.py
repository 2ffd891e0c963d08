"""Figures of a card: how long a pause takes, how fast memory moves, what the link would allow.

Run as a script, by ``make card``. Figures of a simulated GPU are of this program alone, and say so.
"""

import argparse
import ast
import json
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from tests.support.nvidia_node import nvidia_node
from tests.support.simulated_gpus import simulated_gpus

_PAUSES: Final = 200
_SIZES_MIB: Final = {"nvidia": (512, 2048, 8192, 24576), "simulated": (512, 2048)}
_LEFT_MIB: Final = 4096
_IDLE_S: Final = {"nvidia": 5.0, "simulated": 0.5}


@contextmanager
def node_of(device: str) -> Iterator[Any]:
    """Open the card of this kind."""
    if device == "simulated":
        with simulated_gpus("--speed", "40", "--scale", "16384", instant=False) as gpus:
            yield gpus
        return
    with nvidia_node() as node:
        yield node


def figure(name: str, value: float, unit: str, how: str) -> dict[str, Any]:
    """Say a figure, and return it as the report wants it."""
    print(f"{name}: {value:.4g} {unit} ({how})", flush=True)
    return {"name": name, "value": float(f"{value:.4g}"), "unit": unit, "how": how}


def pauses(node: Any) -> Iterator[dict[str, Any]]:
    """Measure how long it takes to pause and unpause a process that computes."""
    tenant = node.tenant()
    tenant.run("b = gpu.allocate(mib=64); gpu.compute(0.01)")
    tenant.begin("gpu.compute(600)")
    took: dict[str, list[float]] = {"pause": [], "unpause": []}
    for _ in range(_PAUSES):
        for name, act in (
            ("pause", lambda: node.device.pause(tenant.pid, 5000)),
            ("unpause", lambda: node.device.unpause(tenant.pid)),
        ):
            began = time.perf_counter()
            act()
            took[name].append((time.perf_counter() - began) * 1000)
    for name, times in took.items():
        how = f"{_PAUSES} times, while it computes"
        yield figure(f"{name}, median", statistics.median(times), "ms", how)
        yield figure(f"{name}, 99th percentile", statistics.quantiles(times, n=100)[98], "ms", how)
    tenant.close()


def moves(node: Any, mib: int) -> Iterator[dict[str, Any]]:
    """Measure how fast a process of one size is suspended and resumed; its bytes are compared."""
    free_mib = node.device.memory(node.gpu_id).free_mib
    if mib > free_mib - _LEFT_MIB:
        return
    tenant = node.tenant()
    tenant.run(f"b = gpu.allocate(mib={mib}); h = b.fill(3)")
    times = []
    for act in (
        lambda: node.device.pause(tenant.pid, 5000),
        lambda: node.device.suspend(tenant.pid),
        lambda: node.device.resume(tenant.pid),
        lambda: node.device.unpause(tenant.pid),
    ):
        began = time.perf_counter()
        act()
        times.append(time.perf_counter() - began)
    _, out, back, _ = times
    if tenant.run("b.sha256() == h") != "True":
        message = f"{mib} MiB came back with other bytes"
        raise SystemExit(message)
    size = f"{mib / 1024:g} GiB in one process"
    yield figure(f"suspend, {mib / 1024:g} GiB", out, "s", size)
    yield figure(f"suspend rate, {mib / 1024:g} GiB", mib / 1024 / out, "GiB/s", size)
    yield figure(f"resume, {mib / 1024:g} GiB", back, "s", size)
    yield figure(f"resume rate, {mib / 1024:g} GiB", mib / 1024 / back, "GiB/s", size)
    tenant.close()


def link(node: Any) -> Iterator[dict[str, Any]]:
    """Measure what the link between card and host allows."""
    tenant = node.tenant()
    tenant.run("from tests.gpu.probe import extras")
    out, back = ast.literal_eval(tenant.run("extras.pinned_gib_s(2048)"))
    yield figure("pinned copy, out", out, "GiB/s", "2 GiB, four times")
    yield figure("pinned copy, back", back, "GiB/s", "2 GiB, four times")
    tenant.close()


def power(node: Any, for_s: float) -> Iterator[dict[str, Any]]:
    """Measure what the card draws with an idle process that has computed, and with it suspended."""
    tenant = node.tenant()
    tenant.run("b = gpu.allocate(mib=64); gpu.compute(0.1)")
    yield from _watts(node, "idle process that has computed", for_s)
    node.device.pause(tenant.pid, 5000)
    node.device.suspend(tenant.pid)
    yield from _watts(node, "the same, suspended", for_s)
    tenant.close()


def _watts(node: Any, name: str, for_s: float) -> Iterator[dict[str, Any]]:
    time.sleep(for_s)
    first, began = node.device.energy_mj(node.gpu_id), time.monotonic()
    time.sleep(for_s)
    last, took = node.device.energy_mj(node.gpu_id), time.monotonic() - began
    if first is not None and last is not None:
        yield figure(f"power, {name}", (last - first) / 1000 / took, "W", f"over {took:.0f} s")


def main() -> int:
    """Measure, and write the figures after each kind of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", choices=list(_SIZES_MIB), required=True)
    parser.add_argument("--write", type=Path, required=True)
    options = parser.parse_args()
    figures: list[dict[str, Any]] = []
    with node_of(options.device) as node:
        kinds = [pauses(node), *(moves(node, mib) for mib in _SIZES_MIB[options.device])]
        if options.device == "nvidia":
            kinds.append(link(node))
        kinds.append(power(node, _IDLE_S[options.device]))
        for kind in kinds:
            figures += list(kind)
            options.write.write_text(json.dumps({"figures": figures}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
