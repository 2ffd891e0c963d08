"""A simulated run as what happened: so that a history can be made where no hub recorded one."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import timedelta
from fractions import Fraction

from sublet_quota.closed_loop.asks.asked import Asked, AskedServer, CardChange, CardVerb
from sublet_quota.closed_loop.cluster import Scenario
from sublet_quota.closed_loop.history.happened import (
    Answer,
    CardState,
    History,
    Past,
    PastCard,
    PastHours,
    PastJob,
    PastMoves,
    PastServer,
)
from sublet_quota.closed_loop.outcome.asked_names import AskedNames, ServerWait, server_waits
from sublet_quota.closed_loop.record.records import JobWaited, Record
from sublet_quota.holdings.gpu_load import GpuFacts
from sublet_quota.names.ids import GroupName

_STATES = {
    CardVerb.ADD: CardState.OPEN,
    CardVerb.OPEN: CardState.OPEN,
    CardVerb.CLOSE: CardState.CLOSED,
    CardVerb.DRAIN: CardState.CLOSED,
    CardVerb.FAIL: CardState.FAILED,
    CardVerb.TAKE: CardState.GONE,
}


def as_happened(scenario: Scenario, record: Record) -> History:
    """Return what happened in a run.

    Servers that were ended, and begun anew, are those that were asked for first.
    """
    names = AskedNames(scenario.asked, scenario.document)
    return History(
        scenario.begins,
        scenario.ends,
        tuple(_past(names, record)),
        tuple(_cards(scenario)),
        tuple(_moves(scenario, record)),
        tuple(_hours(record)),
    )


def _past(names: AskedNames, record: Record) -> Iterator[Past]:
    servers = {each.name: each for each in server_waits(record, names)}
    waits: defaultdict[str, list[timedelta]] = defaultdict(list)
    for cell in sorted(record.cells, key=lambda each: each.asked_at):
        waits[cell.slice_id].append(cell.waited)
    jobs: dict[str, JobWaited] = {}
    for job in record.job_waits:
        jobs.setdefault(job.name, job)
    for asked in sorted(names.all, key=lambda each: (each.at, each.name)):
        if isinstance(asked, AskedServer):
            answer = _of_server(servers.get(asked.name), names.group_of(asked.name))
            yield PastServer(asked, answer, tuple(waits[asked.name]))
        else:
            yield PastJob(asked, _of_job(asked, jobs.get(asked.name), names))


def _of_server(wait: ServerWait | None, group: GroupName | None) -> Answer:
    if wait is None:
        return Answer(None, group)
    if wait.granted:
        return Answer(wait.until - wait.since, wait.group)
    return Answer(None, wait.group, wait.reasons[-1] if wait.reasons else None)


def _of_job(asked: Asked, wait: JobWaited | None, names: AskedNames) -> Answer:
    if wait is None:
        return Answer(None, names.group_of(asked.name))
    return Answer(wait.ended - wait.began if wait.started else None, wait.who.group)


def _cards(scenario: Scenario) -> Iterator[PastCard]:
    for card in scenario.cards:
        state = CardState.OPEN if card.closed is None else CardState.CLOSED
        yield _card(card, state, scenario)
    for change in scenario.card_changes:
        for card in change.cards:
            yield _card(card, _STATES[change.verb], scenario, change)


def _card(
    card: GpuFacts, state: CardState, scenario: Scenario, change: CardChange | None = None
) -> PastCard:
    return PastCard(
        gpu_id=card.gpu_id,
        at=scenario.begins if change is None else change.at,
        node=card.node,
        index=card.index,
        model=card.kind.type,
        memory_mib=card.kind.memory_mib,
        margin_mib=card.kind.margin_mib,
        state=state,
    )


def _moves(scenario: Scenario, record: Record) -> Iterator[PastMoves]:
    speeds = scenario.manner.speeds
    numbers: Counter[bool] = Counter()
    memory_mib: Counter[bool] = Counter()
    for move in record.moves:
        numbers[move.leaves] += 1
        memory_mib[move.leaves] += move.memory_mib
    for leaves in sorted(numbers, reverse=True):
        speed = speeds.suspend_mib_per_s if leaves else speeds.resume_mib_per_s
        number, moved = numbers[leaves], memory_mib[leaves]
        lasted = number * speeds.locking + timedelta(seconds=moved / speed)
        yield PastMoves(scenario.begins, leaves, number, moved, lasted)


def _hours(record: Record) -> Iterator[PastHours]:
    sums: defaultdict[tuple[GroupName | None, str], Fraction] = defaultdict(Fraction)
    for key, held_us in record.held_us.items():
        if key.is_job and key.kind.value != "used":
            continue
        kind = "jobs" if key.is_job else key.kind.value
        sums[key.group, kind] += Fraction(held_us * key.numerator, key.denominator)
    for (payer, kind), card_us in sorted(
        sums.items(), key=lambda each: (each[0][0] or "", each[0][1])
    ):
        yield PastHours(payer, kind, timedelta(microseconds=float(card_us)))
