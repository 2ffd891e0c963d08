"""How well shares of a card's compute are kept by turns, beside the driver's time slicing.

Programs as they were measured on a real card (large matrix products, many small kernels, a training
loop that Python keeps waiting) share a simulated one on virtual time: each mix once sliced by the
driver alone, and once with the policy of turns. Printed are each program's part of what was done
beside its weight, all that was done, and the longest pause of a program whose cell runs. Then what
programs have that are alone, where a pool says how much that may be (``max_compute``). Where there
is a card, programs compute there, too, beside an agent that takes turns and one that takes none.
Run it: ``python tests/benchmarks/shares.py``.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sublet_agent.devices.nvidia import nvidia_gpus_found

from tests.benchmarks.share_parts.on_a_card import KINDS, on_a_card
from tests.support.compute_race import (
    BOUND_BY_PYTHON,
    LARGE_PRODUCTS,
    SMALL_KERNELS,
    ComputeRace,
    Program,
    Racer,
)

WITHIN = 0.05
LOST_AT_MOST = 0.01
LONGEST_PAUSE_S = 0.1
MEASURED_WITHIN = 0.001
SETTLED_S = 25.0
MEASURED_S = 30.0
WITH_CORRECTIONS_S = 30.0
CAPS_MILLI = (125, 250, 500)
WITH_TRIALS_S = 175.0
"""The time from one trial of turns that cost to the next."""

LARGE, SMALL, PYTHON = LARGE_PRODUCTS, SMALL_KERNELS, BOUND_BY_PYTHON
NEARLY_FULL = Program(0.001, part=0.8)
LEAVES_SOME = Program(0.001, part=0.7)
"""It does not use its turns in full, and has half of a card and more where it runs freely."""
BURSTS = Program(0.001, burst_s=1.0, rests_s=1.0, bursts_are_cells=True)


@dataclass(frozen=True)
class Mix:
    """Programs that compute at once, with their shares."""

    name: str
    racers: Sequence[Racer]
    fills: bool = True
    """Whether shares can be kept, as others fill the card where a program does not; else nothing is
    to be lost.
    """


def of(name: str, *programs: tuple[Program, int], fills: bool = True) -> Mix:
    """Return a mix of programs by their shares in milli-GPU."""
    return Mix(name, tuple(Racer(program, share) for program, share in programs), fills)


MIXES = (
    of("large products 1:1", (LARGE, 500), (LARGE, 500)),
    of("large products 3:1", (LARGE, 750), (LARGE, 250)),
    of("small kernels 3:1", (SMALL, 750), (SMALL, 250)),
    of("small kernels 4:2:1:1", (SMALL, 500), (SMALL, 250), (SMALL, 125), (SMALL, 125)),
    of("large beside small 1:1", (LARGE, 500), (SMALL, 500)),
    of("large beside small 1:3", (LARGE, 250), (SMALL, 750)),
    of("eight of 1/8", *[(each, 125) for each in (LARGE, SMALL) * 4]),
    of("large 7, leaves some 1", (LARGE, 875), (LEAVES_SOME, 125)),
    of("4:3, leaves some 1", (SMALL, 500), (LARGE, 375), (LEAVES_SOME, 125)),
    of("3, leave some 1:1", (LARGE, 600), (LEAVES_SOME, 200), (PYTHON, 200)),
    of("2:1, Python-bound 1", (LARGE, 500), (LARGE, 250), (PYTHON, 250)),
    of("Python-bound 1:1", (PYTHON, 500), (PYTHON, 500), fills=False),
    of("three Python-bound 6:2:1", (PYTHON, 750), (PYTHON, 250), (PYTHON, 125), fills=False),
    of("large 1, Python-bound 3", (LARGE, 250), (PYTHON, 750), fills=False),
    of("large 1, nearly full 3", (LARGE, 250), (NEARLY_FULL, 750), fills=False),
    of("large 2:1, Python-bound 1", (LARGE, 500), (LARGE, 250), (PYTHON, 250), fills=False),
    of("small 7, in bursts 1", (SMALL, 875), (BURSTS, 125), fills=False),
)


def measure(mix: Mix) -> list[str]:
    """Print a mix's figures; return which goals it misses."""
    by_turns, freely = ComputeRace(mix.racers), ComputeRace(mix.racers, by_turns=False)
    if mix.fills:
        # Shares as they are while turns are taken; else the first trial counts, too.
        by_turns.run(SETTLED_S)
    seconds = MEASURED_S if mix.fills else WITH_TRIALS_S
    sliced, done = freely.run(seconds), by_turns.run(seconds)
    total = sum(racer.share_milli for racer in mix.racers)
    weights = [racer.share_milli / total for racer in mix.racers]
    before, parts = ([each / sum(had) for each in had] for had in (sliced, done))
    change = sum(done) / sum(sliced) - 1
    pause_s = max(by_turns.waited_s.values())
    print(
        f"{mix.name:<27}{told(weights):<24}{told(before):<24}{told(parts):<24}"
        f"{100 * change:>+8.1f} %{1000 * pause_s:>9.1f}"
    )
    missed = []
    if mix.fills:
        off = max(abs(part / weight - 1) for part, weight in zip(parts, weights, strict=True))
        if off > WITHIN:
            missed.append(f"{mix.name}: a share is off by {100 * off:.1f} %")
        if change < -MEASURED_WITHIN:
            missed.append(f"{mix.name}: less is done than by time slicing")
    elif change < -LOST_AT_MOST:
        missed.append(f"{mix.name}: {-100 * change:.1f} % is lost")
    if pause_s > LONGEST_PAUSE_S:
        missed.append(f"{mix.name}: a cell waits for {1000 * pause_s:.0f} ms")
    return missed


def measure_alone(name: str, program: Program, most_milli: int) -> list[str]:
    """Print what a program has alone where it may have so much; return which goals it misses."""
    race = ComputeRace([Racer(program, min(100, most_milli), most_milli=most_milli)])
    race.run(WITH_CORRECTIONS_S)
    [done] = race.run(MEASURED_S)
    had, due = done / MEASURED_S, min(most_milli / 1000, program.part)
    print(f"{name:<27}{most_milli / 10:>8.1f}{100 * had:>10.1f}{1000 * race.waited_s[0]:>10.1f}")
    if abs(had / due - 1) > WITHIN:
        return [f"{name} alone: {100 * had:.1f} % instead of {100 * due:.1f} %"]
    return []


def told(parts: Sequence[float]) -> str:
    """Return parts as hundredths, no more than four of them."""
    shown = " ".join(f"{100 * part:.1f}" for part in parts[:4])
    return shown + (" .." if parts[4:] else "")


def on_virtual_time() -> list[str]:
    """Print the figures of a simulated card on virtual time; return which goals are missed."""
    print("A simulated card, on virtual time; parts in % of all that was done.")
    print(
        f"{'programs':<27}{'weights':<24}{'time slicing':<24}{'turns':<24}{'all done':>10}"
        f"{'pause ms':>9}"
    )
    missed = [each for mix in MIXES for each in measure(mix)]
    print(f"\n{'alone':<27}{'asked, %':>8}{'had, %':>10}{'pause ms':>10}")
    for name, program in (("large products", LARGE), ("Python-bound (40 %)", PYTHON)):
        for most_milli in CAPS_MILLI:
            missed += measure_alone(name, program, most_milli)
    return missed


def main() -> int:
    """Measure and print; fails where a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", choices=["auto", "none", *KINDS], default="auto")
    parser.add_argument("--write", type=Path, help="a file for the figures of the card")
    options = parser.parse_args()
    missed, device = on_virtual_time(), options.device
    if device == "auto":
        device = "nvidia" if nvidia_gpus_found() else "none"
    if device == "none":
        print("\nNo card is here: these are figures of a simulated one alone.")
    else:
        figures, of_card = on_a_card(device)
        # On a machine that does other things, one that is not real says nothing.
        missed += of_card if device == "nvidia" else []
        if options.write is not None:
            options.write.write_text(json.dumps({"figures": figures}, indent=1))
    print(
        f"\nGoals: shares within {100 * WITHIN:g} % and no less done than by time slicing where "
        f"all fill the card;\nelse {100 * LOST_AT_MOST:g} % lost at most; no cell paused for more "
        f"than {1000 * LONGEST_PAUSE_S:g} ms: {'MISSED' if missed else 'reached'}."
    )
    for each in missed:
        print(f"  {each}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
