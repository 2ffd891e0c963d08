"""Envy: whether somebody had more than another of the same group, who waited meanwhile.

Who waits counts, hour by hour, what each other member of the group computes beside what they
compute themselves. What is left over, at the end of the time, is what they envied; it is none where
turns even out. Whoever asks for nothing envies nobody.
"""

from collections import defaultdict
from datetime import datetime, timedelta

from sublet_quota.closed_loop.record.records import Record
from sublet_quota.names.ids import GroupName, UserName

_Change = tuple[datetime, UserName, float, int]
"""When, who, by how many cards they compute more, and by how many jobs they wait more."""


def envy_h(record: Record, group: GroupName | None) -> float:
    """Return the most card-hours that jobs of one had less than those of another, while waiting."""
    rates: defaultdict[UserName, float] = defaultdict(float)
    waits: defaultdict[UserName, int] = defaultdict(int)
    less: defaultdict[tuple[UserName, UserName], float] = defaultdict(float)
    changes = sorted(_changes(record, group))
    members = sorted({who for _, who, *_ in changes})
    before = record.began
    for at, who, cards, jobs in changes:
        hours = (at - before) / timedelta(hours=1)
        if hours > 0:
            for waiting in (each for each in members if waits[each] > 0):
                for other in members:
                    if rates[other] != rates[waiting]:
                        less[waiting, other] += (rates[other] - rates[waiting]) * hours
        before = at
        rates[who] += cards
        waits[who] += jobs
    return max((0.0, *less.values()))


def _changes(record: Record, group: GroupName | None) -> list[_Change]:
    changes: list[_Change] = []
    for run in record.runs:
        if run.who.group == group and run.who.is_job:
            cards = float(run.cards)
            changes.append((run.began, run.who.owner, cards, 0))
            changes.append((run.ended, run.who.owner, -cards, 0))
    for wait in record.job_waits:
        if wait.who.group == group:
            changes.append((wait.began, wait.who.owner, 0.0, 1))
            changes.append((wait.ended, wait.who.owner, 0.0, -1))
    return changes
