"""Who gains and who loses where another document is in force, of the same days.

Somebody gains who computes more: by a hundredth at least, and 36 seconds on a card; of whom
computes as much, who waits less: by a twentieth at least, and three minutes. What never began is
waited for until the end, and a server that was refused until it was asked for no more.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from sublet_quota.closed_loop.outcome.asked_names import AskedNames, server_waits
from sublet_quota.closed_loop.outcome.report import Comparison, GroupChange, PersonChange
from sublet_quota.closed_loop.outcome.waits import by_name
from sublet_quota.closed_loop.record.records import Record
from sublet_quota.names.ids import GroupName

_HOUR: Final = timedelta(hours=1)
_COMPUTED: Final = (0.01, 0.01)
_WAITED: Final = (0.05, 0.05)
_MOST_PERSONS: Final = 10


@dataclass(frozen=True, slots=True)
class Standing:
    """What each person had, in hours."""

    computed: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    waited: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))


def standing_of(record: Record, names: AskedNames) -> Standing:
    """Return what each person had in a run."""
    found = Standing()
    for run in record.runs:
        found.computed[run.who.owner] += float(run.cards) * ((run.ended - run.began) / _HOUR)
    for server in server_waits(record, names):
        found.waited[names.of(server.name).owner] += (server.until - server.since) / _HOUR
    for cell in (*record.cells, *record.cells_waiting):
        found.waited[cell.who.owner] += cell.waited / _HOUR
    for job in record.job_waits:
        found.waited[job.who.owner] += (job.ended - job.began) / _HOUR
    return found


def compared(before: Standing, after: Standing, groups: dict[str, GroupName | None]) -> Comparison:
    """Return who gains and loses. ``groups``: which group each person counts in."""
    gains = {owner: _gain(before, after, owner) for owner in sorted(groups)}
    members: defaultdict[GroupName | None, list[str]] = defaultdict(list)
    for owner, group in groups.items():
        members[group].append(owner)
    more = sorted((owner for owner in gains if gains[owner][0]), key=lambda each: gains[each])
    return Comparison(
        groups=tuple(
            GroupChange(
                group=group,
                computed_h=(_sum(before.computed, among), _sum(after.computed, among)),
                waited_h=(_sum(before.waited, among), _sum(after.waited, among)),
                gain=sum(gains[owner][0] > 0 for owner in among),
                lose=sum(gains[owner][0] < 0 for owner in among),
            )
            for group, among in sorted(members.items(), key=lambda each: by_name(each[0]))
        ),
        gain_most=_told(before, after, [each for each in reversed(more) if gains[each][0] > 0]),
        lose_most=_told(before, after, [each for each in more if gains[each][0] < 0]),
    )


def _told(before: Standing, after: Standing, owners: list[str]) -> tuple[PersonChange, ...]:
    return tuple(
        PersonChange(
            owner=owner,
            computed_h=(before.computed[owner], after.computed[owner]),
            waited_h=(before.waited[owner], after.waited[owner]),
        )
        for owner in owners[:_MOST_PERSONS]
    )


def _sum(hours: defaultdict[str, float], owners: list[str]) -> float:
    return sum(hours[owner] for owner in sorted(owners))


def _gain(before: Standing, after: Standing, owner: str) -> tuple[int, float, float]:
    """Return whether somebody gains (1), loses (-1) or neither, and by how much."""
    computed = after.computed[owner] - before.computed[owner]
    waited = before.waited[owner] - after.waited[owner]
    for change, hours, (part, least_h) in (
        (computed, (before.computed[owner], after.computed[owner]), _COMPUTED),
        (waited, (before.waited[owner], after.waited[owner]), _WAITED),
    ):
        if abs(change) >= max(least_h, part * max(hours)):
            return (1 if change > 0 else -1), computed, waited
    return 0, 0.0, 0.0
