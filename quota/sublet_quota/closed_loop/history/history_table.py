"""What happened as a table: what ``trace_table`` reads, with more columns and rows.

The first row says when it began and how long it lasted (``kind`` ``history``). What was asked for
is written as in any table, with what became of it beside: ``got``, ``payer``, ``refused``,
``waits``. Cards, moves and hours have rows of their own. So whoever reads it as a workload finds
what was asked for, and nothing else.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from sublet_quota.closed_loop.asks.asked import AskedJob
from sublet_quota.closed_loop.asks.bounded_text import read_seconds
from sublet_quota.closed_loop.asks.spelling import read_cell
from sublet_quota.closed_loop.asks.trace_row import (
    RECORDED,
    Drawing,
    TraceError,
    TraceRow,
)
from sublet_quota.closed_loop.asks.trace_table import (
    COLUMNS,
    row_of,
    table_rows,
    written_row,
    written_seconds,
)
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
from sublet_quota.names.ids import GroupName

HISTORY_COLUMNS: Final = (*COLUMNS, *RECORDED)
HOUR_KINDS: Final = ("used", "idle", "lent", "suspended", "jobs")
_HISTORY, _CARD, _MOVES, _HOURS = "history", "card", "moves", "hours"
_THERE: Final = "there"
_OUT, _BACK = "out", "back"
_MOST_ROWS: Final = 5_000_000
_MOST_NUMBER: Final = 2**53
_MOST_MOVES: Final = 10**9
_MOST_WORK: Final = 10_000_000
"""Of servers, jobs and cells in all."""
_MOST_LASTED: Final = timedelta(days=10**8)
"""Of all hours together, and of all moves: of very many cards for the longest time."""
_YEARS: Final = range(1970, 8900)
"""From any of these the longest time ends at one that there is."""


def written_history(history: History) -> Iterator[str]:
    """Yield the lines of the table, without their ends."""
    yield heading()
    yield first_line(history.begins, history.ends)
    yield from lines_of(history)


def heading() -> str:
    """Return the names of the columns."""
    return ",".join(HISTORY_COLUMNS)


def first_line(begins: datetime, ends: datetime) -> str:
    """Return the row that says which days these are."""
    row = {"kind": _HISTORY, "name": begins.isoformat(), "duration": written_seconds(ends - begins)}
    return written_row({"arrival": "0", **row}, HISTORY_COLUMNS)


def lines_of(history: History) -> Iterator[str]:
    """Yield the rows of a part of the days that ``history.begins`` begins."""
    begins = history.begins
    rows = (
        *(_card_row(each, begins) for each in history.cards),
        *(_past_row(each, begins) for each in history.past),
        *(_moves_row(each, begins) for each in history.moves),
        *(_hours_row(each) for each in history.hours),
    )
    return (written_row(row, HISTORY_COLUMNS) for row in rows)


def read_history(lines: Iterable[str]) -> History:
    """Return what a table tells that happened. ``TraceError``."""
    rows = table_rows(lines)
    line, first = next(rows, (1, {}))
    if _text(first, "kind") != _HISTORY:
        message = (
            f"line {line}: a history's first row is of kind {_HISTORY!r}: write one by "
            "`sublet history export`"
        )
        raise TraceError(message)
    begins = _moment(first, line)
    reading = _Reading(begins, begins + _seconds(first, line, "duration"))
    for number, (at, row) in enumerate(rows):
        if number >= _MOST_ROWS:
            message = f"line {at}: these are more than {_MOST_ROWS} rows"
            raise TraceError(message)
        reading.take(row, at)
    return reading.history()


class _Reading:
    """A table as it is read, row by row."""

    def __init__(self, begins: datetime, ends: datetime) -> None:
        self._begins = begins
        self._ends = ends
        self._names: dict[str, int] = {}
        self._past: list[Past] = []
        self._cards: list[PastCard] = []
        self._moves: list[PastMoves] = []
        self._hours: list[PastHours] = []
        self._work = 0
        self._moved_in_all = 0
        self._lasted = timedelta()

    def take(self, row: Mapping[str, str | None], line: int) -> None:
        match _text(row, "kind"):
            case "" | "job" | "notebook":
                self._past.append(self._asked(row, line))
            case "card":
                self._cards.append(self._card(row, line))
            case "moves":
                moves = self._moved(row, line)
                self._count(moves.lasted, line)
                self._moves.append(moves)
            case "hours":
                hours = _hours(row, line)
                self._count(hours.lasted, line)
                self._hours.append(hours)
            case other:
                raise _error(line, "kind", f"{other!r} is none that a history has here")

    def _count(self, lasted: timedelta, line: int) -> None:
        if lasted > _MOST_LASTED - self._lasted:
            raise _error(line, "duration", f"more than {_MOST_LASTED.days} days in all")
        self._lasted += lasted

    def history(self) -> History:
        cards = sorted(self._cards, key=lambda each: each.at)
        return History(
            self._begins,
            self._ends,
            tuple(sorted(self._past, key=lambda each: each.asked.at)),
            tuple(cards),
            tuple(self._moves),
            tuple(self._hours),
        )

    def _asked(self, row: Mapping[str, str | None], line: int) -> Past:
        asked = tuple(TraceRow(row, line).asked(Drawing(self._begins)))
        if len(asked) > 1:
            raise _error(line, "size", "one server is on one card")
        (each,) = asked
        if each.name in self._names:
            raise _error(line, "name", f"{each.name!r} is that of line {self._names[each.name]}")
        self._names[each.name] = line
        self._work += 1 if isinstance(each, AskedJob) else 1 + len(each.cells)
        if self._work > _MOST_WORK:
            what = f"these are more than {_MOST_WORK} servers, jobs and cells"
            message = f"line {line}: {what}: export fewer days"
            raise TraceError(message)
        answer = _answer(row, line)
        if isinstance(each, AskedJob):
            return PastJob(each, answer)
        waits = tuple(_as_time(line, "waits", part) for part in _text(row, "waits").split())
        if len(waits) > len(each.cells):
            raise _error(line, "waits", f"{len(waits)} of {len(each.cells)} cells")
        return PastServer(each, answer, waits)

    def _card(self, row: Mapping[str, str | None], line: int) -> PastCard:
        state, gpu_id, model = (_text(row, each) for each in ("state", "name", "gpu_type"))
        if state not in set(CardState):
            raise _error(line, "state", f"{state!r} is none of {', '.join(CardState)}")
        if not gpu_id or not model:
            raise _error(line, "name", "a card has a name and a gpu_type")
        return PastCard(
            gpu_id,
            self._begins + _seconds(row, line, "arrival"),
            _text(row, "node") or gpu_id,
            _number(row, line, "number"),
            model,
            _number(row, line, "mib"),
            _number(row, line, "margin_mib"),
            CardState(state),
        )

    def _moved(self, row: Mapping[str, str | None], line: int) -> PastMoves:
        state = _text(row, "state")
        if state not in {_OUT, _BACK}:
            raise _error(line, "state", f"{state!r} is neither {_OUT} nor {_BACK}")
        number = _number(row, line, "number")
        self._moved_in_all += number
        if self._moved_in_all > _MOST_MOVES:
            raise _error(line, "number", f"more than {_MOST_MOVES} moves in all")
        return PastMoves(
            self._begins + _seconds(row, line, "arrival"),
            state == _OUT,
            number,
            _number(row, line, "mib"),
            _seconds(row, line, "duration"),
        )


def _past_row(past: Past, begins: datetime) -> dict[str, str]:
    answer = past.answer
    row = row_of(past.asked, begins) | {
        "payer": answer.payer or "",
        "got": "" if answer.got is None else written_seconds(answer.got),
        "refused": answer.refused or "",
        "state": _THERE if answer.was_there else "",
    }
    if isinstance(past, PastServer):
        row["waits"] = " ".join(map(written_seconds, past.waits))
    return row


def _card_row(card: PastCard, begins: datetime) -> dict[str, str]:
    return {
        "arrival": written_seconds(card.at - begins),
        "kind": _CARD,
        "name": card.gpu_id,
        "node": card.node,
        "number": str(card.index),
        "gpu_type": card.model,
        "mib": str(card.memory_mib),
        "margin_mib": str(card.margin_mib),
        "state": card.state,
    }


def _moves_row(moves: PastMoves, begins: datetime) -> dict[str, str]:
    return {
        "arrival": written_seconds(moves.at - begins),
        "kind": _MOVES,
        "state": _OUT if moves.leaves else _BACK,
        "number": str(moves.number),
        "mib": str(moves.memory_mib),
        "duration": written_seconds(moves.lasted),
    }


def _hours_row(hours: PastHours) -> dict[str, str]:
    return {
        "arrival": "0",
        "kind": _HOURS,
        "payer": hours.payer or "",
        "state": hours.kind,
        "duration": f"{hours.lasted / timedelta(hours=1):.9f}",
    }


def _answer(row: Mapping[str, str | None], line: int) -> Answer:
    got, payer, refused = (_text(row, name) for name in ("got", "payer", "refused"))
    return Answer(
        _as_time(line, "got", got) if got else None,
        GroupName(payer) if payer else None,
        refused or None,
        was_there=_text(row, "state") == _THERE,
    )


def _hours(row: Mapping[str, str | None], line: int) -> PastHours:
    kind, payer = _text(row, "state"), _text(row, "payer")
    if kind not in HOUR_KINDS:
        raise _error(line, "state", f"{kind!r} is none of {', '.join(HOUR_KINDS)}")
    try:
        # Of many cards together these are more than one card has in the longest time.
        hours = float(_text(row, "duration"))
        lasted = timedelta(hours=hours)
    except (ValueError, OverflowError):
        raise _error(line, "duration", "no number of hours") from None
    if lasted < timedelta():
        raise _error(line, "duration", "it is below 0")
    return PastHours(GroupName(payer) if payer else None, kind, lasted)


def _moment(row: Mapping[str, str | None], line: int) -> datetime:
    text = _text(row, "name")
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None or found.year not in _YEARS:
        raise _error(line, "name", f"{text!r} is no moment such as 2026-11-23T00:00:00+00:00")
    return found.astimezone(UTC)


def _seconds(row: Mapping[str, str | None], line: int, column: str) -> timedelta:
    return _as_time(line, column, _text(row, column))


def _as_time(line: int, column: str, text: str) -> timedelta:
    try:
        found = read_seconds(text)
    except ValueError:
        found = timedelta(-1)
    if found < timedelta():
        raise _error(line, column, f"{text[:40]!r} is no number of seconds")
    return found


def _number(row: Mapping[str, str | None], line: int, column: str) -> int:
    text = _text(row, column)
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(_MOST_NUMBER))):
        raise _error(line, column, f"{text[:40]!r} is no whole number")
    return int(text)


def _text(row: Mapping[str, str | None], column: str) -> str:
    return read_cell((row.get(column) or "").strip())


def _error(line: int, column: str, what: str) -> TraceError:
    return TraceError(f"line {line}, {column}: {what}")
