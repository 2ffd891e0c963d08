"""How true a simulation is: waits, refusals and hours as they really were, beside the simulated."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from typing import Final

from sublet_quota.closed_loop.history.happened import History, Past, PastServer
from sublet_quota.closed_loop.outcome.report import Truth, TruthLine, WaitsInfo
from sublet_quota.closed_loop.outcome.waits import by_name, waits_info
from sublet_quota.names.ids import GroupName

SERVERS, CELLS, JOBS = "servers", "cells", "jobs"
_QUANTILES: Final = (("half", "half_s"), ("95 %", "of_95_s"), ("99 %", "of_99_s"))
_LEAST: Final = {"s": 1.0, "h": 0.01, "": 0.5}
"""What differs by less of a unit is the same."""
_ENOUGH: Final = 20
"""Of so many waits the errors are judged."""
_MIB_PER_GIB: Final = 1024
_NOTHING: Final = timedelta()
_HOUR: Final = timedelta(hours=1)

_Key = tuple[GroupName | None, str]


def truth_of(real: History, simulated: History) -> Truth:
    """Return how true a simulation of a history is, given what happened in it.

    Servers and jobs that were there before the days began count in neither.
    """
    there = {each.asked.name for each in real.past if each.answer.was_there}
    lines = (
        *_waits(real.past, simulated.past, there),
        *_refused(real.past, simulated.past, there),
        *_hours(real, simulated),
        *_moves(real, simulated),
    )
    errors = [abs(e.error) for e in lines if e.count >= _ENOUGH and e.error is not None]
    return Truth(lines=lines, worst_wait=max(errors, default=None))


def _waits(real: Iterable[Past], simulated: Iterable[Past], there: set[str]) -> Iterator[TruthLine]:
    was, is_now = _infos(real, there), _infos(simulated, there)
    for group, what in sorted({*was, *is_now}, key=_order):
        before, after = (each.get((group, what), WaitsInfo()) for each in (was, is_now))
        for name, attribute in _QUANTILES:
            yield _line(
                f"{what}, {name}",
                group,
                "s",
                (getattr(before, attribute), getattr(after, attribute)),
                min(before.count, after.count),
            )


def _infos(past: Iterable[Past], there: set[str]) -> Mapping[_Key, WaitsInfo]:
    waited: defaultdict[_Key, list[timedelta]] = defaultdict(list)
    for each in past:
        group, got = each.answer.payer, each.answer.got
        is_server = isinstance(each, PastServer)
        if got is not None and each.asked.name not in there:
            waited[group, SERVERS if is_server else JOBS].append(got)
        if isinstance(each, PastServer) and each.waits:
            waited[group, CELLS] += each.waits
    return {key: waits_info(some) for key, some in waited.items()}


def _order(key: _Key) -> tuple[int, bool, str]:
    group, what = key
    return (SERVERS, CELLS, JOBS).index(what), *by_name(group)


def _refused(
    real: Iterable[Past], simulated: Iterable[Past], there: set[str]
) -> Iterator[TruthLine]:
    was, is_now = _never(real, there), _never(simulated, there)
    for key in sorted({*was, *is_now}, key=lambda each: (each[1], *by_name(each[0]))):
        group, what = key
        yield _line(f"{what} never had", group, "", (was[key], is_now[key]))


def _never(past: Iterable[Past], there: set[str]) -> Counter[_Key]:
    return Counter(
        (each.answer.payer, SERVERS if isinstance(each, PastServer) else JOBS)
        for each in past
        if each.answer.got is None and each.asked.name not in there
    )


def _hours(real: History, simulated: History) -> Iterator[TruthLine]:
    if not real.hours:
        return
    was, is_now = _by_payer(real), _by_payer(simulated)
    for key in sorted({*was, *is_now}, key=lambda each: (each[1], *by_name(each[0]))):
        payer, kind = key
        pair = (was[key] / _HOUR, is_now[key] / _HOUR)
        yield _line(f"hours {kind}", payer, "h", pair)


def _by_payer(history: History) -> defaultdict[_Key, timedelta]:
    sums: defaultdict[_Key, timedelta] = defaultdict(timedelta)
    for hours in history.hours:
        sums[hours.payer, hours.kind] += hours.lasted
    return sums


def _moves(real: History, simulated: History) -> Iterator[TruthLine]:
    for leaves, where in ((True, "out"), (False, "back")):
        was, is_now = ([m for m in each.moves if m.leaves is leaves] for each in (real, simulated))
        if was or is_now:
            numbers = sum(m.number for m in was), sum(m.number for m in is_now)
            yield _line(f"moves {where}", None, "", numbers)
            gib = (sum(m.memory_mib for m in each) / _MIB_PER_GIB for each in (was, is_now))
            before, after = gib
            yield _line(f"GiB {where}", None, "", (before, after))


def _line(
    what: str,
    group: GroupName | None,
    unit: str,
    pair: tuple[float, float],
    count: int = 0,
) -> TruthLine:
    real, simulated = pair
    error: float | None = 0.0
    if abs(simulated - real) >= _LEAST[unit]:
        error = (simulated - real) / real if real else None
    return TruthLine(
        what=what,
        group=group,
        unit=unit,
        count=count,
        real=real,
        simulated=simulated,
        error=error,
    )
