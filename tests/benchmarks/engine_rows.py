"""What the engine comes to on simulated days, row by row, each beside its baselines.

One command prints the rows that can be measured so: idle hours lent of what foresight could lend,
by when a slice counts as idle and by overcommit, with the states that others lose, and how long
cells of owners wait for their room; what a time to give back buys (``engine_parts``); how long
newcomers wait beside long turns, and what turns cost; shares of groups by weight under contention;
jobs of mixed sizes at more load than there are cards; and jobs beside a card whose owner is away,
and comes back. Days are real sessions of notebooks (NotebookOS) where the folder of published
traces is there
(``SUBLET_TRACES``), else they are drawn, which is said. All is virtual time: the figures do not
hang on the machine. Rows go on at once, as many as there are cores; idle hours lent are of all 30
days of the trace, and take some minutes.
Run it: ``PYTHONPATH=. python tests/benchmarks/engine_rows.py`` (``--row lent``: one alone).
"""

import argparse
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from fractions import Fraction
from functools import partial
from typing import Final

from engine_parts.give_backs import give_backs
from sublet_lab.command_line.simulation.at_once import Tell, at_once
from sublet_quota.closed_loop.asks.asked import (
    Asked,
    AskedJob,
    AskedServer,
    CardSpeeds,
    Cell,
    Manner,
)
from sublet_quota.closed_loop.baselines.policies import Simulated, policy_of
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
Part = Callable[[], Iterable[str]]
"""Some lines of a row: they need no other lines."""
_ALL_DAYS: Final = 30
"""So many days the published trace has."""
_BUSY_DAY: Final = 7
AS_MEASURED: Final = Manner(speeds=CardSpeeds(suspend_mib_per_s=1740, resume_mib_per_s=4915))
"""As the driver moves memory on an H100: 1.7 GiB/s out, 4.8 back."""


def notebooks(days: int, *, one_gpu: bool = False) -> tuple[tuple[AskedServer, ...], str]:
    """Notebooks on a card each that nobody stops, real ones where these are there; what they are.

    They are there from the beginning, however late their first cell comes. ``one_gpu``: of real
    ones those alone that never had more than one.
    """
    asked: tuple[Asked, ...]
    if BURSTS.is_file():
        first = _BUSY_DAY if days < _ALL_DAYS - _BUSY_DAY else 0
        what = f"NotebookOS, from day {first}" + (", those of one GPU" if one_gpu else "")
        asked = sessions(MONDAY, first, days, (), Fraction(1), one_gpu=one_gpu)
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
    """Jobs that compute for longer than is simulated: all room that is lent is used.

    Each is somebody else's: there is a limit to what a person may have.
    """
    found = jobs("endless", "", number, works=timedelta(days=days + 1))
    return tuple(replace(job, owner=f"of-{job.name}") for job in found)


def outcome(scenario: Scenario, record: Record, *, ours: bool = True) -> Outcome:
    """What a run comes to."""
    here = {"H100": len(scenario.cards)}
    ran = Ran("", "", scenario.document, scenario.asked, here, has_guarantees=ours)
    return outcome_of(ran, record)


def pool(idle_after: str, overcommit: int, turn: str = "60 s") -> str:
    """A document with one pool."""
    return (
        f"pools: [{{name: all, default: true, idle_after: {idle_after}, turn: {turn}, "
        f"memory_overcommit: {overcommit}, compute_overcommit: {overcommit}}}]\n"
    )


def lent(days: int) -> Iterator[Part]:
    """Idle hours lent of what foresight lends at most, and what of state is lost."""
    servers, what = notebooks(days, one_gpu=True)
    heading = (
        f"Idle hours lent, of what foresight could lend at most ({len(servers)} notebooks of "
        f"{what}; {days} days; as many endless jobs as cards)"
    )
    yield lambda: [heading]
    for idle_after, overcommit in (("10m", 2), ("5m", 2), ("1m", 2), ("10m", 4)):
        yield partial(_lent, servers, days, idle_after, overcommit)
    on = cards(len(servers))
    yield lambda: [f"  with a card for each notebook ({len(on)}):"]
    asked = (*servers, *endless(len(on), days))
    scenario = scene(pool("10m", 2), asked, timedelta(days=days), on=on)
    for name in BASELINES:
        yield partial(beside, scenario, name)


def _lent(
    servers: tuple[AskedServer, ...], days: int, idle_after: str, overcommit: int
) -> Iterator[str]:
    number = -(-len(servers) // overcommit)
    asked, lasts = (*servers, *endless(number, days)), timedelta(days=days)
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


def beside(scenario: Scenario, name: str) -> Iterator[str]:
    """What another policy makes of the same days."""
    policy = policy_of(name)
    found = outcome(scenario, _finished(policy.begin(scenario)), ours=False)
    yield (
        f"  {policy.name}: {found.lent_h:.0f} h lent, {found.hours.idle_h:.0f} h idle, "
        f"{found.hours.jobs_h:.0f} h of jobs, {found.servers_granted} of {found.servers} "
        f"servers, {found.lost.notebooks} states lost, {found.lost.replayed_h:.1f} h replayed"
    )


def giveback(days: int) -> Iterator[str]:
    """How long woken owners wait for their caps, by how soon jobs must be able to leave."""
    servers, what = notebooks(days)
    yield f"Notebooks of {what}"
    yield from give_backs(servers, days)


def newcomers(_days: int) -> Iterator[str]:
    """How long somebody waits for the first time beside four who compute for long."""
    long = [Cell(MINUTE, 4 * HOUR)] * 2
    asked = [
        *(a_server(f"long-{n}", part="1/2", cells=long, owner=f"long-{n}") for n in range(4)),
        *(
            a_server(f"new-{n}", part="1/2", at=HOUR + n * 7 * MINUTE, works=MINUTE, owner=f"n{n}")
            for n in range(20)
        ),
    ]
    yield "Newcomers beside long turns, half a card each, one card"
    for turn, manner, how in (
        ("60 s", Manner(), "6 GiB/s out"),
        ("5 m", Manner(), "6 GiB/s out"),
        ("60 s", AS_MEASURED, "1.7 GiB/s out"),
        ("5 m", AS_MEASURED, "1.7 GiB/s out"),
    ):
        scenario = scene(pool("10m", 4, turn), asked, 24 * HOUR, on=cards(1), manner=manner)
        record = Cluster(scenario).run()
        cells = [each for each in record.cells if each.slice_id.startswith("new")]
        waits = waits_info(each.waited for each in cells)
        late = waits_info(_lateness(asked, record, "new"))
        yield (
            f"  ours, turns of {turn}, {how}: first cell waits {waits.half_s:.0f} s at the median, "
            f"{waits.of_99_s:.0f} s at 99 %, of {waits.count}; {waits.never} never ran; it ends "
            f"{late.half_s:.0f} s late, {late.of_99_s:.0f} s; {len(record.moves)} moves"
        )


def turns(days: int) -> Iterator[str]:
    """What turns cost: a card whose owners rest or work, and real days at overcommit 4."""
    yield "Turns, a whole card each, 1.7 GiB/s out and 4.8 back"
    long = [Cell(MINUTE, 10 * MINUTE)]
    rests = [Cell(timedelta(), timedelta(seconds=5)), *[Cell(9 * MINUTE, MINUTE)] * 6]
    for what, cells in (
        ("whose owner's cell has ended", rests[:1]),
        ("who works a minute in ten", rests),
        ("who computes as well", [Cell(MINUTE, HOUR)]),
    ):
        asked = [
            a_server("works", part="1", cells=long, stays=2 * HOUR),
            a_server("beside", part="1", cells=cells, stays=2 * HOUR),
        ]
        scenario = scene(pool("10m", 4), asked, 2 * HOUR, on=cards(1), manner=AS_MEASURED)
        record = Cluster(scenario).run()
        (late,) = _lateness(asked, record, "works")
        done = MONDAY + 11 * MINUTE + late
        moves = sum(each.at <= done for each in record.moves)
        took_s = 600 + late.total_seconds()
        yield f"  10 minutes of work beside one {what}: {took_s:.0f} s, {moves} moves"
    servers, what = notebooks(days)
    number, lasts = -(-len(servers) // 4), timedelta(days=days)
    on, owners = cards(number), len(servers)
    scenario = scene(pool("10m", 4), servers, lasts, on=on, manner=AS_MEASURED)
    record = Cluster(scenario).run()
    waits = waits_info(each.waited for each in record.cells)
    later = _lateness(servers, record, "")
    mean_s = sum(each.total_seconds() for each in later) / len(later)
    works_h = sum((each.ended - each.began) / HOUR for each in record.runs)
    yield (
        f"  {owners} notebooks of {what} on {number} cards: {len(record.moves)} moves, "
        f"{works_h:.0f} h of work; {len(later)} bursts end late by {mean_s:.0f} s on average, "
        f"{waits_info(later).of_95_s:.0f} s at 95 %; they wait {waits.half_s:.0f} s at the median, "
        f"{waits.of_99_s:.0f} s at 99 %"
    )


def _lateness(asked: Iterable[Asked], record: Record, whose: str) -> list[timedelta]:
    """How much later than without others each cell ended, of servers of such names.

    When a cell ended follows from when the next one was asked for; of the last, from what ran last.
    """
    began: defaultdict[str, list[datetime]] = defaultdict(list)
    ended: dict[str, datetime] = {}
    for ran_first in record.cells:
        began[ran_first.slice_id].append(ran_first.asked_at)
    for ran in record.runs:
        ended[ran.slice_id] = max(ran.ended, ended.get(ran.slice_id, ran.ended))
    late = []
    for server in asked:
        if not isinstance(server, AskedServer) or not server.name.startswith(whose):
            continue
        times = began.get(server.name, [])
        for each, cell in enumerate(server.cells[: len(times)]):
            if each + 1 < len(times):
                end = times[each + 1] - server.cells[each + 1].thinks
            else:
                end = ended[server.name]
                if end - times[each] < cell.works:
                    continue
            late.append(max(timedelta(), end - times[each] - cell.works))
    return late


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
    beside = ((name, _finished(policy_of(name).begin(scenario))) for name in ("static", "fcfs"))
    for name, record in (("ours", Cluster(scenario).run()), *beside):
        found = outcome(scenario, record)
        large = [each for each in record.job_waits if each.cards >= 2]
        waits = waits_info(each.ended - each.began for each in large if each.started)
        yield (
            f"  {name}: {found.hours.jobs_h / (24 * days * len(on)):.1%} in use; of those on "
            f"several cards {waits.count} began, half within {waits.half_s / 3600:.1f} h, and "
            f"{sum(not each.started for each in large)} did not"
        )


def spread(_days: int) -> Iterator[str]:
    """When three jobs are done that find three cards empty, one with an owner who comes back."""
    works, comes_back = 2 * HOUR, Cell(2 * HOUR, 6 * HOUR)
    owner = a_server("owner", part="1/2", cells=[Cell(MINUTE, MINUTE), comes_back], stays=HOUR)
    yield "Three jobs of 2 h, three empty cards, one of them an owner's who comes back after 1 h"
    for part in ("1/3", "1"):
        asked = [owner, *jobs("job", "", 3, part, works, at=HOUR)]
        scenario = scene(pool("10m", 2), asked, 24 * HOUR, on=cards(3))
        fcfs = _finished(policy_of("fcfs").begin(scenario))
        for name, record in (("ours", Cluster(scenario).run()), ("fcfs", fcfs)):
            late = sorted((at - MONDAY - HOUR - works) / HOUR for at in record.jobs_done.values())
            told = ", ".join(f"{each:.1f}" for each in late)
            yield f"  {name}, jobs of {part} of a card: {told} h late; {3 - len(late)} not done"


def _finished(simulated: Simulated) -> Record:
    while simulated.step():
        pass
    return simulated.finish()


def _part(lent_h: float, at_most_h: float) -> str:
    return f"{lent_h / at_most_h:.1%}" if at_most_h else "-"


def _whole(row: Callable[[int], Iterable[str]]) -> Callable[[int], Iterator[Part]]:
    """A row whose figures are reckoned one after another."""
    return lambda days: iter((partial(row, days),))


ROWS: Final[dict[str, Callable[[int], Iterator[Part]]]] = {
    "lent": lent,
    "giveback": _whole(giveback),
    "newcomers": _whole(newcomers),
    "turns": _whole(turns),
    "shares": _whole(shares),
    "mixed": _whole(mixed),
    "spread": _whole(spread),
}
DAYS: Final = {"lent": _ALL_DAYS}
"""For how long, where that is not one day when nobody says."""


def main(arguments: list[str]) -> None:
    """Print the rows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--row", choices=ROWS, action="append", help="this row alone")
    parser.add_argument("--days", type=int, help="default: 1; of idle hours lent 30")
    said = parser.parse_args(arguments)
    parts: list[Part] = []
    for name in said.row or ROWS:
        parts += ROWS[name](said.days or DAYS.get(name, 1))
        parts.append(lambda: [""])
    for lines in at_once([partial(_lines, part) for part in parts]):
        print("\n".join(lines), flush=True)


def _lines(part: Part, _tell: Tell) -> list[str]:
    return list(part())


if __name__ == "__main__":
    main(sys.argv[1:])
