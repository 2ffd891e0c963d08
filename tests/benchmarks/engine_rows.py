"""What the engine comes to on simulated days, row by row, each beside its baselines.

One command prints the rows that can be measured so: idle hours lent of what foresight could lend,
by when a slice counts as idle and by overcommit, with the states that others lose, and how long
cells of owners wait for their room; how long newcomers wait beside long turns; shares of groups by
weight under contention; and jobs of mixed sizes at more load than there are cards. Days are real
sessions of notebooks (NotebookOS) where the folder of published traces is there
(``SUBLET_TRACES``), else they are drawn, which is said. All is virtual time: the figures do not
hang on the machine.
Run it: ``PYTHONPATH=. python tests/benchmarks/engine_rows.py`` (``--row lent``: one alone).
"""

import argparse
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from fractions import Fraction
from typing import Final

from sublet_quota.closed_loop.asks.asked import Asked, AskedJob, AskedServer, Cell
from sublet_quota.closed_loop.baselines.policies import policy_of
from sublet_quota.closed_loop.cluster import Cluster, Scenario
from sublet_quota.closed_loop.figures import figures_of
from sublet_quota.closed_loop.outcome.outcome import Ran, outcome_of
from sublet_quota.closed_loop.outcome.report import Outcome
from sublet_quota.closed_loop.outcome.waits import waits_info
from sublet_quota.closed_loop.people import Habits, Person, days_of
from sublet_quota.closed_loop.record.records import Record
from sublet_quota.names.ids import GroupName

from tests.support.loop_cases import HOUR, MINUTE, MONDAY, a_server, cards, jobs, scene
from tests.support.real_traces import BURSTS, sessions

BASELINES: Final = ("static", "cull:30m", "replay:30m", "notebookos", "fcfs")


def notebooks(days: int) -> tuple[tuple[AskedServer, ...], str]:
    """Notebooks on a card each that nobody stops, real ones where these are there; what they are.

    They are there from the beginning, however late their first cell comes.
    """
    asked: tuple[Asked, ...]
    if BURSTS.is_file():
        what = "NotebookOS, from day 7"
        asked = sessions(MONDAY, 7, days, (), Fraction(1))
    else:
        what = "drawn: 30 people"
        people = [Person(f"of-{n}", (), Habits(cards=Fraction(1), jobs_a_day=0)) for n in range(30)]
        asked = days_of(people, MONDAY, MONDAY + timedelta(days=days), 1)
    return tuple(_all_along(each) for each in asked if isinstance(each, AskedServer)), what


def _all_along(server: AskedServer) -> AskedServer:
    first, *rest = server.cells or (Cell(timedelta(), timedelta(seconds=1)),)
    cells = (Cell(first.thinks + (server.at - MONDAY), first.works), *rest)
    return replace(server, at=MONDAY, cells=cells, stays=timedelta(days=3660))


def endless(number: int, days: int) -> tuple[AskedJob, ...]:
    """Jobs that compute for longer than is simulated: all room that is lent is used."""
    return jobs("endless", "", number, works=timedelta(days=days + 1))


def outcome(scenario: Scenario, record: Record, *, ours: bool = True) -> Outcome:
    """What a run comes to."""
    here = {"H100": len(scenario.cards)}
    ran = Ran("", "", scenario.document, scenario.asked, here, has_guarantees=ours)
    return outcome_of(ran, record)


def pool(idle_after: str, overcommit: int) -> str:
    """A document with one pool."""
    return (
        f"pools: [{{name: all, default: true, idle_after: {idle_after}, "
        f"memory_overcommit: {overcommit}, compute_overcommit: {overcommit}}}]\n"
    )


def lent(days: int) -> Iterator[str]:
    """Idle hours lent of what foresight lends at most, and what of state is lost."""
    servers, what = notebooks(days)
    yield (
        f"Idle hours lent, of what foresight could lend at most ({len(servers)} notebooks of "
        f"{what}; as many endless jobs as cards)"
    )
    lasts = timedelta(days=days)
    for idle_after, overcommit in (("10m", 2), ("5m", 2), ("1m", 2), ("10m", 4)):
        number = -(-len(servers) // overcommit)
        asked = (*servers, *endless(number, days))
        scenario = scene(pool(idle_after, overcommit), asked, lasts, on=cards(number))
        record = Cluster(scenario).run()
        found = outcome(scenario, record)
        waits = waits_info(each.waited for each in record.cells)
        yield (
            f"  ours, idle after {idle_after:>3}, overcommit {overcommit}, {number} cards: "
            f"{_part(found.lent_h, found.lent_at_most_h)} of {found.lent_at_most_h:.0f} h, "
            f"{found.servers_granted} servers, 0 states lost; cells wait {waits.half_s:.1f} s at "
            f"the median, {waits.of_99_s:.1f} s at 99 %"
        )
    on = cards(len(servers))
    asked = (*servers, *endless(len(on), days))
    yield f"  with a card for each notebook ({len(on)}):"
    yield from beside(scene(pool("10m", 2), asked, lasts, on=on))


def beside(scenario: Scenario) -> Iterator[str]:
    """What other policies make of the same days."""
    for name in BASELINES:
        policy = policy_of(name)
        simulated = policy.begin(scenario)
        while simulated.step():
            pass
        found = outcome(scenario, simulated.finish(), ours=False)
        yield (
            f"  {policy.name}: {found.lent_h:.0f} h lent, {found.hours.idle_h:.0f} h idle, "
            f"{found.hours.jobs_h:.0f} h of jobs, {found.servers_granted} of {found.servers} "
            f"servers, {found.lost.notebooks} states lost, {found.lost.replayed_h:.1f} h replayed"
        )


def newcomers(_days: int) -> Iterator[str]:
    """How long somebody waits for the first time beside two who compute for long."""
    long = [Cell(MINUTE, 4 * HOUR)] * 2
    asked = [
        *(a_server(f"long-{n}", part="1/2", cells=long, owner=f"long-{n}") for n in range(4)),
        *(
            a_server(f"new-{n}", part="1/2", at=HOUR + n * 7 * MINUTE, works=MINUTE, owner=f"n{n}")
            for n in range(20)
        ),
    ]
    text = pool("10m", 4)
    record = Cluster(scene(text, asked, 24 * HOUR, on=cards(1))).run()
    waits = waits_info(each.waited for each in record.cells if each.slice_id.startswith("new"))
    yield "Newcomers beside long turns, one card (turns of 5 minutes)"
    yield (
        f"  ours: first cell waits {waits.half_s:.0f} s at the median, {waits.of_99_s:.0f} s at "
        f"99 %, of {waits.count}; {waits.never} never ran"
    )


def shares(days: int) -> Iterator[str]:
    """The part of all computing that groups of weights 4:2:1:1 have while all ask for more."""
    weights = {"a": 4, "b": 2, "c": 1, "d": 1}
    groups = ", ".join(f"{name}: {{weight: {weight}}}" for name, weight in weights.items())
    asked = [each for name in weights for each in jobs(name, name, 80 * days, works=2 * HOUR)]
    scenario = scene(f"groups: {{{groups}}}", asked, timedelta(days=days), on=cards(8))
    found = figures_of(Cluster(scenario).run()).shares
    told = "/".join(f"{found[GroupName(name)]:.3f}" for name in weights)
    yield "Shares of groups of weights 4:2:1:1 under contention"
    yield f"  ours: {told}; due: 0.500/0.250/0.125/0.125"


def mixed(days: int) -> Iterator[str]:
    """The part of the cards' time that is used while jobs of mixed sizes wait, at 1.5 x load."""
    sizes = (Fraction(1, 4), Fraction(1, 2), Fraction(1), Fraction(1), Fraction(2), Fraction(4))
    works, on = 3 * HOUR, cards(8)
    of_a_round = float(sum(sizes)) * (works / HOUR)
    every = timedelta(hours=of_a_round / (1.5 * len(on) * len(sizes)))
    number = int(timedelta(days=days) / every)
    asked = [
        AskedJob(f"job-{n}", MONDAY + n * every, f"of-{n % 9}", (), works, sizes[n % len(sizes)])
        for n in range(number)
    ]
    scenario = scene("", asked, timedelta(days=days), on=on)
    yield f"Cards in use at 1.5 x load, jobs of 1/4 to 4 cards ({number} jobs, 8 cards of one node)"
    runs = [("ours", Cluster(scenario).run())]
    for name in ("static", "fcfs"):
        simulated = policy_of(name).begin(scenario)
        while simulated.step():
            pass
        runs.append((name, simulated.finish()))
    for name, record in runs:
        found = outcome(scenario, record)
        large = [each for each in record.job_waits if each.cards >= 2]
        waits = waits_info(each.ended - each.began for each in large if each.started)
        yield (
            f"  {name}: {found.hours.jobs_h / (24 * days * len(on)):.1%} in use; of those on "
            f"several cards {waits.count} began, half within {waits.half_s / 3600:.1f} h, and "
            f"{sum(not each.started for each in large)} did not"
        )


def _part(lent_h: float, at_most_h: float) -> str:
    return f"{lent_h / at_most_h:.1%}" if at_most_h else "-"


ROWS: Final[dict[str, Callable[[int], Iterator[str]]]] = {
    "lent": lent,
    "newcomers": newcomers,
    "shares": shares,
    "mixed": mixed,
}


def main(arguments: list[str]) -> None:
    """Print the rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--row", choices=ROWS, action="append", help="this row alone")
    parser.add_argument("--days", type=int, default=1)
    said = parser.parse_args(arguments)
    for name in said.row or ROWS:
        for line in ROWS[name](said.days):
            print(line)
        print()


if __name__ == "__main__":
    main(sys.argv[1:])
