"""How much of the cards is handed out before requests are refused, beside the tightest fit.

People ask for sizes in a steady mix, and leave: the same requests are decided once knowing what is
asked for, once not. Told are the refusals, by size, and the part of the cards that is handed out.
Where sizes divide each other the tightest fit is as good; where they leave odd rests some six of a
hundred refusals are spared. Seeds differ by more than that: try many.
Run it: ``PYTHONPATH=. python tests/benchmarks/fragmentation.py``.
"""

import argparse
import random
import sys
from collections import Counter
from dataclasses import dataclass, replace
from fractions import Fraction

from sublet_quota.admission.slice_request import RequestedSlice
from sublet_quota.amounts.gpu_kind import GpuKind
from sublet_quota.document.reading import read_quota_document
from sublet_quota.holdings.gpu_load import GpuFacts
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.names.ids import GpuId, NodeId, SliceId
from sublet_quota.placement.slice_placement import Placement, decide_slice

from tests.support.admission_cases import holding_of

KIND = GpuKind("NVIDIA H100 80GB HBM3", 81_920, 1024)
PARTS = {"eighth": "1/8", "fifth": "1/5", "quarter": "1/4", "third": "1/3", "half": "1/2"}
PARTS |= {"three-quarters": "3/4", "whole": "1"}
MIXES = {
    "mostly small": {"eighth": 40, "fifth": 20, "quarter": 20, "half": 10, "whole": 10},
    "halves and wholes": {"quarter": 15, "third": 10, "half": 45, "whole": 30},
    "all alike": dict.fromkeys(PARTS, 10),
    "odd rests": {"third": 30, "quarter": 20, "three-quarters": 25, "half": 25},
}


@dataclass(frozen=True)
class Result:
    """What became of the requests of one mix."""

    refused: Counter[str]
    used: float
    """The part of the cards that was handed out, on the average."""


def document() -> str:
    """Return sizes without overcommit, as many as there is room for."""
    sizes = "".join(
        f"  - {{name: {name}, memory: {part}, compute: {part}}}\n" for name, part in PARTS.items()
    )
    pool = "{name: interactive, memory_overcommit: 1, compute_overcommit: 1}"
    return f"pools: [{pool}]\nsizes:\n{sizes}everyone: {{limit: {{slices: unlimited}}}}\n"


def run(mix: dict[str, int], cards: int, requests: int, *, knows: bool, seed: int) -> Result:
    """Decide the requests of one mix, each of a person of their own."""
    rng = random.Random(seed)  # noqa: S311 - the same requests in each run
    gpus = [GpuFacts(GpuId(f"g{n}"), NodeId(f"n{n // 8}"), n % 8, KIND) for n in range(cards)]
    held = Holdings(read_quota_document(document()), gpus)
    held.asked_sizes = mix if knows else {}
    refused: Counter[str] = Counter()
    used = Fraction(0)
    mean = sum(float(Fraction(PARTS[name])) * n for name, n in mix.items()) / sum(mix.values())
    ends: list[tuple[float, str]] = []
    for number in range(requests):
        for _, gone in [each for each in ends if each[0] <= number]:
            held.remove(SliceId(gone))
        ends = [each for each in ends if each[0] > number]
        size = rng.choices(list(mix), weights=list(mix.values()))[0]
        # As many ask as would fill the cards, if there were no rests.
        stays = rng.expovariate(mean / cards)
        answer = decide_slice(held, RequestedSlice(f"u{number}", size=size))
        if isinstance(answer, Placement) and not answer.calls_back:
            held.put(replace(holding_of(answer, f"s{number}"), unsuspendable=True))
            ends.append((number + stays, f"s{number}"))
        else:
            refused[size] += 1
        used += sum((one.cards for one in _pieces(held)), Fraction(0))
    return Result(refused, float(used / requests / cards))


def _pieces(held: Holdings) -> list:
    pieces = (held.piece(one.slice_id) for one in held.slices())
    return [piece for piece in pieces if piece is not None]


def main() -> int:
    """Print a line for each mix; fails where knowing what is asked for refuses more of all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cards", type=int, default=64)
    parser.add_argument("--requests", type=int, default=3000)
    parser.add_argument("--seeds", type=int, default=3)
    asked = parser.parse_args()
    sums: Counter[bool] = Counter()
    for name, mix in MIXES.items():
        for knows in (False, True):
            runs = [
                run(mix, asked.cards, asked.requests, knows=knows, seed=seed)
                for seed in range(asked.seeds)
            ]
            refused = sum((each.refused for each in runs), Counter[str]())
            sums[knows] += refused.total()
            used = sum(each.used for each in runs) / len(runs)
            how = "by what is asked" if knows else "tightest fit"
            part = refused.total() / asked.requests / asked.seeds
            wholes = refused["whole"]
            print(
                f"{name:<18} {how:<17} refused {part:6.2%} (whole cards: {wholes:5})"
                f"  handed out {used:6.2%}",
                flush=True,
            )
    return int(sums[True] > sums[False])


if __name__ == "__main__":
    sys.exit(main())
