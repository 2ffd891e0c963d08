"""The parts of `make card`: what each does, by which command, and how long it may take.

The order is that of their worth in the first hour with a card: what is known before anything may
go wrong, then what could stop everything else, then what takes long.
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

MOST_S: Final = 540.0
"""The longest that a part may take: machines with cards are booked by minutes."""


@dataclass(frozen=True, slots=True)
class Context:
    """On what the parts run, and where they write."""

    device: str
    """``nvidia`` or ``simulated``."""
    report: Path

    def folder(self, part: str) -> Path:
        """Return the folder of a part, which is its own."""
        return self.report / part


@dataclass(frozen=True, slots=True)
class Part:
    """A command that writes what it has seen into its folder."""

    name: str
    title: str
    command: Callable[[Context, Path], list[str]]
    simulated: bool = True
    """Whether the part says something on a simulated device, too."""
    limit_s: float = MOST_S
    shown: bool = False
    """Whether what the part says is shown while it runs, too: a line or two a step."""


def _module(*words: str) -> list[str]:
    return [sys.executable, "-m", *words]


def _tests(*files: str, more: tuple[str, ...] = ()) -> Callable[[Context, Path], list[str]]:
    def command(_: Context, folder: Path) -> list[str]:
        options = ["-c", "tests/gpu/pytest.ini", "-p", "no:cacheprovider", "-q", *more]
        found = [f"tests/gpu/{name}" for name in files]
        return _module("pytest", *options, f"--junit-xml={folder / 'tests.xml'}", *found)

    return command


def _probe(context: Context, folder: Path) -> list[str]:
    driver = "cuda" if context.device == "nvidia" else "simulated"
    return _module("tests.gpu.probe", "--driver", driver, "--answers", str(folder / "probe.json"))


def _figures(context: Context, folder: Path) -> list[str]:
    written = ["--device", context.device, "--write", str(folder / "figures.json")]
    return _module("tests.gpu.figures", *written)


def _demo(context: Context, folder: Path) -> list[str]:
    told = ["--device", context.device, "--output", str(folder)]
    return _module("sublet_hub.one_machine.demo", *told)


def _benchmark(name: str) -> Callable[[Context, Path], list[str]]:
    return lambda _context, _folder: [sys.executable, f"tests/benchmarks/{name}.py"]


def _shares(context: Context, folder: Path) -> list[str]:
    written = ["--device", context.device, "--write", str(folder / "figures.json")]
    return [sys.executable, "tests/benchmarks/shares.py", *written]


PARTS: Final = (
    Part("probe", "What is open about driver and card", _probe, shown=True),
    Part("device", "The card does what the agent relies on", _tests("test_nvidia_conformance.py")),
    Part("figures", "How fast it moves, pauses and wakes", _figures),
    Part(
        "agent", "The agent beside thieves and what it cannot move", _tests("test_agent_safety.py")
    ),
    Part("deaths", "The agent is killed at each step", _tests("test_agent_deaths.py")),
    Part("shares", "Compute shares kept by turns", _shares),
    Part("demo", "make demo", _demo),
    Part("cycles", "Random pause, suspend, resume and kill, with hashes", _tests("test_cycles.py")),
    Part(
        "walk",
        "A random walk over owners, jobs and deaths of the agent",
        _tests("test_fault_walk.py"),
        simulated=False,
    ),
    Part(
        "waiting",
        "What a call that waits costs",
        _tests("test_waiting_calls.py", more=("-s",)),
        simulated=False,
    ),
    Part(
        "leftovers",
        "Whether another user finds what was there",
        _tests("test_leftover_memory.py"),
        simulated=False,
    ),
    Part("decisions", "Benchmark: decisions on this machine", _benchmark("decisions")),
    Part("freezing", "Benchmark: what freezing neighbours adds", _benchmark("freezing")),
)


def chosen(names: str, context: Context, parts: Sequence[Part] = PARTS) -> list[Part]:
    """Return the parts of these names, or all that make sense; ``ValueError``: unknown."""
    known = {part.name: part for part in parts}
    wanted = names.replace(",", " ").split()
    unknown = [name for name in wanted if name not in known]
    if unknown:
        message = f"no part is called {', '.join(unknown)}; there are: {', '.join(known)}"
        raise ValueError(message)
    of_use = [part for part in parts if part.simulated or context.device == "nvidia"]
    return [known[name] for name in wanted] or of_use
