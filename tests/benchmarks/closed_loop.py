"""What sharing comes to over simulated weeks, beside cards not lent, and a static partition.

The same days under four documents: with guarantees, borrowing and lending; with half of the cards
for notebooks alone and half for jobs; with all of that cut into groups' own parts, as well; and so
with a line for notebooks.
Days are made up, from a seed; where the folder of published traces is there (``SUBLET_TRACES``),
real sessions of notebooks (NotebookOS) and real jobs (Alibaba's openb) follow. All is virtual time:
the figures do not hang on the machine.
Run it: ``PYTHONPATH=. python tests/benchmarks/closed_loop.py``.
"""

import argparse
import sys
import time
from collections.abc import Iterable
from datetime import timedelta
from fractions import Fraction

from sublet_quota.closed_loop.asks.asked import Asked
from sublet_quota.closed_loop.asks.trace_table import read_trace
from sublet_quota.closed_loop.figures import Figures
from sublet_quota.closed_loop.people import Habits, Person, days_of
from sublet_quota.closed_loop.simulation import simulate
from sublet_quota.residency.snapshot import Rank

from tests.support.loop_cases import MONDAY, cards, scene
from tests.support.real_traces import BURSTS, MISSING, PODS, job_rows, sessions

CARDS = 8
GROUPS = ("science", "teaching", "guests")
SHARED = """
pools: [{name: all, default: true}]
groups:
  science: {guaranteed: {H100: 4}, weight: 2}
  teaching: {guaranteed: {H100: 2}}
  guests: {}
"""
APART = """
pools:
  - {name: notebooks, ids: [h0, h1, h2, h3], lend: false, default: true}
  - {name: training, ids: [h4, h5, h6, h7]}
groups: {science: {weight: 2}, teaching: {}, guests: {}}
"""
PARTITION = """
pools:
  - name: notebooks
    ids: [h0, h1, h2, h3]
    lend: false
    default: true
    memory_overcommit: 1
    compute_overcommit: 1
  - {name: training, ids: [h4, h5, h6, h7]}
groups:
  science: {limit: {H100: 2}, jobs: {limit: {H100: 2}}}
  teaching: {limit: {H100: 1}, jobs: {limit: {H100: 1}}}
  guests: {limit: {H100: 1}, jobs: {limit: {H100: 1}}}
"""
LINED = PARTITION + "notebooks: {when_full: queue}\n"
DOCUMENTS = {
    "shared and lent": SHARED,
    "not lent": APART,
    "static partition": PARTITION,
    "partition, a line": LINED,
}
COLUMNS = (
    "",
    "in use",
    "jobs done",
    "job waits h",
    "refused",
    "in line s",
    "cells",
    "waits 99 % s",
    "entitled s",
    "moves/h",
    "to cards",
    "flaps",
)


def made_up(days: int, seed: int) -> tuple[Asked, ...]:
    """Days of thirty people, who use half a card, and send two jobs a day."""
    habits = Habits(cards=Fraction(1, 2), jobs_a_day=2)
    of = {"science": 14, "teaching": 8, "guests": 8}
    people = [
        Person(f"{group}-{n}", (group,), habits)
        for group, number in of.items()
        for n in range(number)
    ]
    return days_of(people, MONDAY, MONDAY + timedelta(days=days), seed)


def real(days: int) -> tuple[Asked, ...]:
    """Days of real sessions, each on a quarter of a card, and of real jobs."""
    notebooks = sessions(MONDAY, 7, days, GROUPS, Fraction(1, 4))
    until = 12_900_000.0
    rows = job_rows(40 * days, until - days * 86_400, until, GROUPS)
    return (*notebooks, *read_trace(rows, MONDAY))


def line_of(name: str, figures: Figures) -> str:
    """One document's figures."""
    hours = figures.hours["H100"]
    others = [waits for rank, waits in figures.cells.items() if rank is not Rank.ENTITLED]
    entitled = figures.cells.get(Rank.ENTITLED)
    waited = [waits.median_s for waits in figures.line.values()]
    return _row(
        (
            name,
            f"{hours.utilisation:.1%}",
            f"{figures.jobs_done}",
            f"{figures.jobs.median_s / 3600:.1f}",
            f"{figures.servers_refused}",
            "-" if not waited else f"{max(waited):.0f}",
            f"{sum(waits.count for waits in figures.cells.values())}",
            f"{max((waits.most_of_99_s for waits in others), default=0):.0f}",
            "-" if entitled is None else f"{entitled.most_s:.0f}",
            f"{figures.moves_an_hour:.2f}",
            f"{figures.card_changes}",
            f"{figures.flaps}",
        )
    )


def _row(cells: Iterable[str]) -> str:
    first, *rest = cells
    return f"{first:18}" + "".join(f"{each:>13}" for each in rest)


def compare(title: str, asked: tuple[Asked, ...], days: int) -> None:
    """Print the figures of the same days under each document."""
    print(f"\n{title}: {len(asked)} servers and jobs in {days} days on {CARDS} cards")
    print(_row(COLUMNS))
    for name, text in DOCUMENTS.items():
        began = time.process_time()
        figures = simulate(scene(text, asked, timedelta(days=days), on=cards(CARDS)))
        took = time.process_time() - began
        print(line_of(name, figures), f"   ({took:.1f} s of this process)")
        if figures.refused_within_guarantee:
            message = f"{name}: {figures.refused_within_guarantee} refused within the guarantee"
            raise AssertionError(message)


def main(arguments: list[str]) -> None:
    """Print the figures of made-up days, and of real ones."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=14)
    parser.add_argument("--real-days", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1)
    said = parser.parse_args(arguments)
    compare("Made up", made_up(said.days, said.seed), said.days)
    if BURSTS.is_file() and PODS.is_file():
        compare("Real", real(said.real_days), said.real_days)
    else:
        print(MISSING)


if __name__ == "__main__":
    main(sys.argv[1:])
