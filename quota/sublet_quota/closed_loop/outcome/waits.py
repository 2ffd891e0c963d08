"""Waits by group, and why some had nothing."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
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
    waited: defaultdict[tuple[GroupName | None, str], list[timedelta]] = defaultdict(list)
    never: Counter[tuple[GroupName | None, str]] = Counter()
    for server in servers:
        if server.granted:
            waited[server.group, "servers"].append(server.until - server.since)
        else:
            never[server.group, "servers"] += 1
    for cell in record.cells:
        waited[cell.who.group, "cells"].append(cell.waited)
    for cell in record.cells_waiting:
        never[cell.who.group, "cells"] += 1
    for job in record.job_waits:
        if job.started:
            waited[job.who.group, "jobs"].append(job.ended - job.began)
        else:
            never[job.who.group, "jobs"] += 1
    groups = {group for group, _ in (*waited, *never)}
    return tuple(
        GroupWaits(
            group=group,
            **{
                what: waits_info(waited[group, what], never[group, what])
                for what in ("servers", "cells", "jobs")
            },
        )
        for group in sorted(groups, key=by_name)
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
    asked: Counter[tuple[str, str]] = Counter()
    never: Counter[tuple[str, str]] = Counter()
    for server in servers:
        asked.update((SERVER, reason) for reason in set(server.reasons))
        if not server.granted and server.reasons:
            never[SERVER, server.reasons[-1]] += 1
    for reason, number in record.refused_jobs.items():
        asked[JOB, reason] += number
        never[JOB, reason] += number
    return tuple(
        RefusalInfo(reason=reason, what=what, asked=number, never=never[what, reason])
        for (what, reason), number in sorted(asked.items(), key=lambda each: (-each[1], each[0]))
    )


def first_groups(names: AskedNames) -> dict[str, GroupName | None]:
    """Return which group each person counts in: the first of theirs that the document has."""
    return {each.owner: names.group_of(each.name) for each in names.all}
