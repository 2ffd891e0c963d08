"""Shares of a card's compute as an agent keeps them there, beside the driver's time slicing.

Programs compute in steps of a fixed amount of work on a real card (or on a simulated one, or on one
behind the stand-in for NVIDIA's driver, where these figures prove nothing), once beside an agent
that takes turns, and once beside one that takes none.
"""

import ast
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.support.agent_world import AgentWorld, Gpus, agent_beside
from tests.support.nvidia_node import nvidia_node
from tests.support.nvidia_stand_in.cards import nvidia_gpus
from tests.support.simulated_gpus import simulated_gpus

KINDS: Final = ("nvidia", "stand-in", "simulated")
WITHIN: Final = 0.05
LOST_AT_MOST: Final = 0.01
MEASURED_WITHIN: Final = 0.01
LONGEST_WAIT_S: Final = 0.1
_SETTLES_S: Final = 8.0
_SETTLES_FREELY_S: Final = 20.0
"""Until turns that turn out to waste time are over, of one program after the other."""
_MEASURED_S: Final = 8.0
_GIB: Final = 4
_STEPS: Final = """
import time
_step = getattr(gpu, "work", gpu.compute)
def steps(settles_s, for_s, busy_s, thinks_s):
    begin = time.monotonic() + settles_s
    done, longest_s, ended = 0, 0.0, time.monotonic()
    while ended < begin + for_s:
        began = ended
        _step(busy_s)
        if thinks_s:
            time.sleep(thinks_s)
        ended = time.monotonic()
        if began >= begin:
            done, longest_s = done + 1, max(longest_s, ended - began)
    return done, longest_s
"""


@dataclass(frozen=True)
class Mix:
    """Programs that compute at once on a card, by their shares in milli-GPU."""

    name: str
    shares_milli: tuple[int, ...]
    part: float = 1.0
    """The part of the card that each keeps busy alone."""

    @property
    def fills(self) -> bool:
        """Whether each fills the card: then shares are to be kept, else nothing is to be lost."""
        return self.part == 1.0


MIXES: Final = (
    Mix("full 3:1", (750, 250)),
    Mix("full 4:2:1:1", (500, 250, 125, 125)),
    Mix("three of 40 %, 6:2:1", (600, 200, 100), part=0.4),
)


@dataclass(frozen=True)
class Measured:
    """What the programs of a mix have done."""

    steps: tuple[int, ...]
    longest_s: float
    """The longest that a step took beyond its own time alone."""


@contextmanager
def cards_of(kind: str) -> Iterator[Gpus]:
    """Open the cards of a kind."""
    if kind == "nvidia":
        with nvidia_node() as node:
            yield node
    elif kind == "stand-in":
        with nvidia_gpus(cards=1, speed=0.0) as gpus:
            yield gpus
    else:
        with simulated_gpus("--scale", "16384") as gpus:
            yield gpus


def step_s(kind: str) -> float:
    """Return the card's time that a step takes: each asks another process where it is not real."""
    return 0.002 if kind == "nvidia" else 0.02


def measure(kind: str, mix: Mix, *, by_turns: bool) -> Measured:
    """Return what is done in some seconds beside an agent that takes turns, or none."""
    with (
        cards_of(kind) as gpus,
        tempfile.TemporaryDirectory(prefix="sublet-shares-") as folder,
        agent_beside(gpus, Path(folder), f"--SubletAgent.compute_turns={by_turns}") as world,
    ):
        return _run(world, mix, step_s(kind))


def _run(world: AgentWorld, mix: Mix, busy_s: float) -> Measured:
    shares = {f"s{index}": share for index, share in enumerate(mix.shares_milli)}
    slices = [world.notebook(name, _GIB, compute_milli=each) for name, each in shares.items()]
    world.serve(*slices, idle_after_s=600.0)
    kernels = [world.kernel(name) for name in shares]
    try:
        for kernel in kernels:
            kernel.enter()
            kernel.run(f"exec({_STEPS!r})")
            # One by one: what a step is, is measured alone.
            kernel.run(f"_step({busy_s})")
        thinks_s = busy_s / mix.part - busy_s
        settles_s = _SETTLES_S if mix.fills else _SETTLES_FREELY_S
        for kernel in kernels:
            kernel.tenant.begin(f"steps({settles_s}, {_MEASURED_S}, {busy_s}, {thinks_s})")
        done = [ast.literal_eval(kernel.tenant.end()) for kernel in kernels]
    finally:
        for kernel in kernels:
            kernel.tenant.close()
    longest_s = max(longest for _, longest in done) - busy_s - thinks_s
    return Measured(tuple(steps for steps, _ in done), longest_s)


def on_a_card(kind: str, mixes: Sequence[Mix] = MIXES) -> tuple[list[dict[str, Any]], list[str]]:
    """Print figures of all mixes; return them, and which goals are missed."""
    real = "a real card" if kind == "nvidia" else f"no real card ({kind}): proves nothing"
    print(f"\nBeside an agent, on {real}; parts in % of all steps.")
    print(f"{'programs':<27}{'weights':<24}{'time slicing':<24}{'turns':<24}{'all done':>10}")
    figures: list[dict[str, Any]] = []
    missed: list[str] = []
    for mix in mixes:
        freely, turns = (measure(kind, mix, by_turns=each) for each in (False, True))
        told, misses = judge(mix, freely, turns, is_real=kind == "nvidia")
        figures += told
        missed += misses
    return figures, missed


def judge(
    mix: Mix, freely: Measured, turns: Measured, *, is_real: bool
) -> tuple[list[dict[str, Any]], list[str]]:
    """Print a mix's figures; return them, and which goals it misses."""
    weights = _parts(mix.shares_milli)
    before, parts = _parts(freely.steps), _parts(turns.steps)
    off = max(abs(part / weight - 1) for part, weight in zip(parts, weights, strict=True))
    change = sum(turns.steps) / max(1, sum(freely.steps)) - 1
    print(
        f"{mix.name:<27}{_words(weights):<24}{_words(before):<24}{_words(parts):<24}"
        f"{100 * change:>+8.1f} %",
        flush=True,
    )
    how = f"{mix.name}, {_MEASURED_S:g} s each"
    figures = [_figure(f"all done by turns, {mix.name}", 100 * change, "% more", how)]
    missed = []
    if mix.fills:
        figures.append(_figure(f"a share is off by, {mix.name}", 100 * off, "%", how))
    if mix.fills and off > WITHIN:
        missed.append(f"{mix.name}: a share is off by {100 * off:.1f} %")
    if change < -(MEASURED_WITHIN if mix.fills else LOST_AT_MOST):
        missed.append(f"{mix.name}: {-100 * change:.1f} % less is done than by time slicing")
    if is_real:
        figures.append(_figure(f"longest wait, {mix.name}", 1000 * turns.longest_s, "ms", how))
    if is_real and turns.longest_s > LONGEST_WAIT_S:
        missed.append(f"{mix.name}: a cell waits for {1000 * turns.longest_s:.0f} ms")
    return figures, missed


def _figure(name: str, value: float, unit: str, how: str) -> dict[str, Any]:
    return {"name": name, "value": float(f"{value:.4g}"), "unit": unit, "how": how}


def _parts(amounts: Sequence[int]) -> list[float]:
    return [each / max(1, sum(amounts)) for each in amounts]


def _words(parts: Sequence[float]) -> str:
    return " ".join(f"{100 * part:.1f}" for part in parts)
