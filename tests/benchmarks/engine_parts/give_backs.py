"""What a wait target buys: how long a woken owner waits for the cap, of what, and what is lent.

Notebooks of half a card, twice as many as fit, and more jobs of mixed sizes than there is room for;
for each ``give_back_within`` and speed of moving. An owner is woken when a cell begins after the
slice was idle, or for the first time. The wait is divided by what the card did meanwhile: jobs left
(their bytes went out), the owner's own bytes came back, or others were in the way: their moves, and
their turns. All is virtual time.
It is a row of ``engine_rows``.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Final

from sublet_quota.closed_loop.asks.asked import AskedJob, AskedServer, CardSpeeds, Manner
from sublet_quota.closed_loop.cluster import Cluster, Scenario
from sublet_quota.closed_loop.outcome.waits import waits_info
from sublet_quota.closed_loop.record.records import CellBegan, Moved, Record
from sublet_quota.names.ids import GpuId, SliceId

from tests.support.loop_cases import H100, MONDAY, cards, scene

GIB: Final = 1024
IDLE_AFTER: Final = timedelta(minutes=10)
WITHIN_S: Final = (60, 30, 10, 3)
SIZES_GIB: Final = (5, 10, 20, 51)
SPEEDS: Final = {
    "1.7 GiB/s out, 4.8 back": CardSpeeds(round(1.7 * GIB), round(4.8 * GIB)),
    "46 GiB/s both ways": CardSpeeds(46 * GIB, 46 * GIB),
}
NOTHING: Final = timedelta()


@dataclass(frozen=True, slots=True)
class WokenWait:
    """How long a woken owner waited, and of what."""

    waited: timedelta
    jobs_left: timedelta = NOTHING
    own_came_back: timedelta = NOTHING

    @property
    def others(self) -> timedelta:
        """Others' moves and turns."""
        return self.waited - self.jobs_left - self.own_came_back


def give_backs(notebooks: Sequence[AskedServer], days: int) -> Iterator[str]:
    """What each wait target comes to, at each speed."""
    number = -(-len(notebooks) // 4)
    yield (
        f"Woken owners, and what is lent ({len(notebooks)} notebooks of 1/2 card on {number} "
        f"cards, overcommit 2; jobs of {', '.join(map(str, SIZES_GIB))} GiB)"
    )
    for told, speeds in SPEEDS.items():
        yield f"  {told}:"
        for within_s in WITHIN_S:
            scenario = _scenario(notebooks, days, number, within_s, speeds)
            woken, record = _run(scenario, speeds)
            yield f"    give_back_within {within_s:>2} s: {_told(woken, record)}"


def _scenario(
    notebooks: Sequence[AskedServer], days: int, number: int, within_s: int, speeds: CardSpeeds
) -> Scenario:
    text = (
        "pools: [{name: all, default: true, idle_after: 10m, memory_overcommit: 2, "
        f"compute_overcommit: 2, give_back_within: {within_s}s}}]\n"
    )
    asked = (*(replace(each, cards=Fraction(1, 2)) for each in notebooks), *_jobs(number, days))
    lasts, manner = timedelta(days=days), Manner(speeds=speeds)
    return scene(text, asked, lasts, on=cards(number), manner=manner)


def _jobs(number: int, days: int) -> Iterator[AskedJob]:
    """One of each size for each card, in turn; they last longer than is simulated."""
    for at in range(number):
        for gib in SIZES_GIB:
            part = Fraction(gib * GIB, H100.usable_mib)
            lasts = timedelta(days=days + 1)
            yield AskedJob(f"{gib}-GiB-{at}", MONDAY, f"of-{gib}", (), lasts, part, max_run=lasts)


def _run(scenario: Scenario, speeds: CardSpeeds) -> tuple[list[WokenWait], Record]:
    cluster = Cluster(scenario)
    began: list[tuple[CellBegan, GpuId]] = []
    while cluster.step():
        new = cluster.record.cells[len(began) :]
        began.extend((cell, cluster.cards.where(cell.slice_id)) for cell in new)
    record = cluster.finish()
    ended: defaultdict[SliceId, list[datetime]] = defaultdict(list)
    for run in record.runs:
        ended[run.slice_id].append(run.ended)
    moves: defaultdict[GpuId, list[Moved]] = defaultdict(list)
    for move in record.moves:
        moves[move.gpu_id].append(move)
    jobs = {each.name for each in scenario.asked if isinstance(each, AskedJob)}
    woken = [
        _wait_of(cell, moves[gpu_id], jobs, speeds)
        for cell, gpu_id in began
        if _was_idle(cell, ended[cell.slice_id])
    ]
    return woken, record


def _was_idle(cell: CellBegan, ended: Sequence[datetime]) -> bool:
    before = [moment for moment in ended if moment <= cell.asked_at]
    return not before or cell.asked_at - max(before) >= IDLE_AFTER


def _wait_of(
    cell: CellBegan, moves: Sequence[Moved], jobs: set[str], speeds: CardSpeeds
) -> WokenWait:
    until = cell.asked_at + cell.waited
    jobs_left = own_came_back = NOTHING
    for move in moves:
        takes = speeds.out_s if move.leaves else speeds.back_s
        ends = move.at + timedelta(seconds=takes(move.memory_mib))
        within = min(ends, until) - max(move.at, cell.asked_at)
        if within <= NOTHING:
            continue
        if move.leaves and any(move.slice_id.startswith(name) for name in jobs):
            jobs_left += within
        elif not move.leaves and move.slice_id == cell.slice_id:
            own_came_back += within
    return WokenWait(cell.waited, jobs_left, own_came_back)


def _told(woken: Sequence[WokenWait], record: Record) -> str:
    waits = waits_info(each.waited for each in woken)
    most = max((each.jobs_left for each in woken), default=NOTHING).total_seconds()
    there = sum(found.there for found in record.hours.values()) / 3600
    jobs_h = sum(found.jobs for found in record.hours.values()) / 3600
    lent_h = sum(found.lent for found in record.hours.values()) / 3600
    of = ", ".join(
        f"{what} {_mean(parts):.1f}"
        for what, parts in (
            ("jobs leave", [each.jobs_left for each in woken]),
            ("own bytes come back", [each.own_came_back for each in woken]),
            ("others", [each.others for each in woken]),
        )
    )
    began = Counter(each.name.split("-")[0] for each in record.job_waits if each.started)
    sizes = "/".join(str(began[str(gib)]) for gib in SIZES_GIB)
    return (
        f"{waits.count} wait {waits.half_s:.1f} s at the median, {waits.of_99_s:.1f} s at 99 %; "
        f"mean of {of} s; jobs leave for {most:.1f} s at most; {jobs_h:.0f} h of jobs "
        f"({jobs_h / there:.1%} of all), {lent_h:.0f} h of it lent; of each size {sizes} began"
    )


def _mean(parts: Sequence[timedelta]) -> float:
    return sum(parts, NOTHING).total_seconds() / max(1, len(parts))
