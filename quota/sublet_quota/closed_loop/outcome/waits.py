"""Waits by group, and why some had nothing."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Final

from sublet_quota.closed_loop.outcome.asked_names import AskedNames, ServerWait
from sublet_quota.closed_loop.outcome.report import GroupWaits, RefusalInfo, WaitsInfo
from sublet_quota.closed_loop.record.records import Record
from sublet_quota.names.ids import GroupName
from sublet_quota.residency.snapshot import Rank

_HUNDRED: Final = 100
SERVER: Final = "server"
JOB: Final = "job"
_SERVERS, _CELLS, _JOBS = "servers", "cells", "jobs"


def waits_info(waited: Iterable[timedelta], never: int = 0) -> WaitsInfo:
    """Return how long some waited; ``never``: how many had nothing."""
    rising = sorted(each.total_seconds() for each in waited)
    if not rising:
        return WaitsInfo(never=never)
    return WaitsInfo(
        count=len(rising),
        half_s=_of_hundred(rising, 50),
        of_95_s=_of_hundred(rising, 95),
        of_99_s=_of_hundred(rising, 99),
        most_s=rising[-1],
        never=never,
    )


def _of_hundred(rising: Sequence[float], number: int) -> float:
    """Return how long so many of a hundred waited at most: the least such wait (nearest rank)."""
    return rising[max(0, -(-len(rising) * number // _HUNDRED) - 1)]


def group_waits(record: Record, servers: Iterable[ServerWait]) -> tuple[GroupWaits, ...]:
    """Return the waits of each payer's servers, cells and jobs."""
    waited: defaultdict[GroupName | None, list[_Waited]] = defaultdict(list)
    for group, each in _all_waited(record, servers):
        waited[group].append(each)
    return tuple(_waits_of(group, waited[group]) for group in sorted(waited, key=by_name))


def waits_in_all(record: Record, servers: Iterable[ServerWait]) -> GroupWaits:
    """Return the waits of all payers' servers, cells and jobs together."""
    return _waits_of(None, [each for _, each in _all_waited(record, servers)])


_Waited = tuple[str, timedelta | None]
"""What was waited for, and how long until it was had; ``None``: it never was."""


def _all_waited(
    record: Record, servers: Iterable[ServerWait]
) -> Iterator[tuple[GroupName | None, _Waited]]:
    for server in servers:
        yield server.group, (_SERVERS, server.until - server.since if server.granted else None)
    for cell in record.cells:
        yield cell.who.group, (_CELLS, cell.waited)
    for cell in record.cells_waiting:
        yield cell.who.group, (_CELLS, None)
    for job in record.job_waits:
        yield job.who.group, (_JOBS, job.ended - job.began if job.started else None)


def _waits_of(group: GroupName | None, waited: Iterable[_Waited]) -> GroupWaits:
    had: defaultdict[str, list[timedelta]] = defaultdict(list)
    never: Counter[str] = Counter()
    for what, lasted in waited:
        if lasted is None:
            never[what] += 1
        else:
            had[what].append(lasted)
    return GroupWaits(
        group=group,
        **{what: waits_info(had[what], never[what]) for what in (_SERVERS, _CELLS, _JOBS)},
    )


def by_name(group: GroupName | None) -> tuple[bool, str]:
    """Return by what groups are in order: who is in none comes last."""
    return group is None, group or ""


def guaranteed_cells(record: Record) -> WaitsInfo:
    """Return the waits of cells of slices that were entitled all the time."""
    begun = (each.waited for each in record.cells if each.rank is Rank.ENTITLED)
    never = sum(each.rank is Rank.ENTITLED for each in record.cells_waiting)
    return waits_info(begun, never)


def refusals(record: Record, servers: Iterable[ServerWait]) -> tuple[RefusalInfo, ...]:
    """Return how many were refused for which reason, the most frequent first."""
    asked, never = _refused_servers(servers)
    for reason, number in record.refused_jobs.items():
        asked[JOB, reason] += number
        never[JOB, reason] += number
    return _refusals(asked, never)


def refused_servers(
    servers: Iterable[ServerWait],
) -> Mapping[GroupName | None, tuple[RefusalInfo, ...]]:
    """Return the same of each group's servers alone: of a refused job it is not told whose."""
    by_group: defaultdict[GroupName | None, list[ServerWait]] = defaultdict(list)
    for server in servers:
        by_group[server.group].append(server)
    return {group: _refusals(*_refused_servers(some)) for group, some in by_group.items()}


_Refused = Counter[tuple[str, str]]


def _refused_servers(servers: Iterable[ServerWait]) -> tuple[_Refused, _Refused]:
    asked: _Refused = Counter()
    never: _Refused = Counter()
    for server in servers:
        asked.update((SERVER, reason) for reason in set(server.reasons))
        if not server.granted and server.reasons:
            never[SERVER, server.reasons[-1]] += 1
    return asked, never


def _refusals(asked: _Refused, never: _Refused) -> tuple[RefusalInfo, ...]:
    return tuple(
        RefusalInfo(reason=reason, what=what, asked=number, never=never[what, reason])
        for (what, reason), number in sorted(asked.items(), key=lambda each: (-each[1], each[0]))
    )


def first_groups(names: AskedNames) -> dict[str, GroupName | None]:
    """Return which group each person counts in: the first of theirs that the document has."""
    return {each.owner: names.group_of(each.name) for each in names.all}
