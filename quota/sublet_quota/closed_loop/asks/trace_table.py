"""A trace as a table: one row for each server or job that was asked for, as CSV.

    arrival,owner,group,duration,size,kind,gpu_type
    0,ada,vision,7200,1/2,notebook,
    60.5,bob,nlp,3600,1,job,H100

``arrival`` is in seconds from the beginning, ``duration`` in seconds of computing for a job, and
from start to stop for a notebook, whose cells are drawn. ``size`` is a part of a card (``1/2``,
``0.5``), a number of cards, or for a notebook the name of a size of the document. ``group`` may be
empty, or several with blanks between; ``kind`` (``job`` where empty) and ``gpu_type`` may be
left out.
A row of several cards becomes as many of one card each, as today's queue places no other.
"""

import csv
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Final

from sublet_quota.closed_loop.asks.asked import Asked, AskedJob, AskedServer
from sublet_quota.closed_loop.asks.draws import Draws
from sublet_quota.closed_loop.people import Habits, cells_for
from sublet_quota.errors import SubletQuotaError
from sublet_quota.shares.cards import WHOLE_CARD

_NEEDED: Final = ("arrival", "owner", "group", "duration", "size")
_KNOWN: Final = frozenset((*_NEEDED, "kind", "gpu_type"))
_KINDS: Final = ("job", "notebook")
_MOST_CARDS: Final = 1024


class TraceError(SubletQuotaError):
    """A table that cannot be read: the line, the column, and what is wrong."""


def read_trace(
    lines: Iterable[str], begins: datetime, seed: int = 0, habits: Habits | None = None
) -> tuple[Asked, ...]:
    """Return what a table's rows ask for, from ``begins`` on.

    ``seed`` and ``habits`` are for the cells of notebooks. Raises ``TraceError``.
    """
    rows = csv.DictReader(lines)
    columns = rows.fieldnames or ()
    missing = [name for name in _NEEDED if name not in columns]
    unknown = sorted(set(columns) - _KNOWN)
    if missing or unknown:
        message = (
            f"line 1: columns missing: {missing}, unknown: {unknown}; known are {sorted(_KNOWN)}"
        )
        raise TraceError(message)
    asked: list[Asked] = []
    for row in rows:
        asked += _Row(row, rows.line_num).asked(begins, seed, habits or Habits())
    return tuple(asked)


class _Row:
    def __init__(self, row: Mapping[str, str | None], line: int) -> None:
        self._row = row
        self._line = line

    def asked(self, begins: datetime, seed: int, habits: Habits) -> Iterator[Asked]:
        kind = self._text("kind") or "job"
        if kind not in _KINDS:
            raise self._error("kind", f"{kind!r} is none of {', '.join(_KINDS)}")
        owner = self._text("owner")
        if not owner:
            raise self._error("owner", "nobody")
        at, lasts = begins + self._seconds("arrival"), self._seconds("duration")
        for number, (size, cards) in enumerate(self._sizes(kind)):
            name = f"{kind}/{self._line}/{number}"
            groups, gpu_type = tuple(self._text("group").split()), self._text("gpu_type") or None
            if kind == "job":
                part = cards or WHOLE_CARD
                yield AskedJob(name, at, owner, groups, lasts, part, gpu_type)
                continue
            yield AskedServer(
                name=name,
                at=at,
                owner=owner,
                groups=groups,
                size=size,
                cards=cards,
                gpu_type=gpu_type,
                cells=cells_for(lasts, habits, Draws(seed, name)),
                fills=habits.fills,
                patience=habits.patience,
            )

    def _sizes(self, kind: str) -> list[tuple[str | None, Fraction | None]]:
        text = self._text("size")
        try:
            cards = Fraction(text)
        except (ValueError, ZeroDivisionError):
            if kind == "notebook" and text:
                return [(text, None)]
            raise self._error("size", f"{text!r} is no number of cards") from None
        if not 0 < cards <= _MOST_CARDS:
            raise self._error("size", f"{text} cards, from above 0 to {_MOST_CARDS} are possible")
        if cards > 1 and cards.denominator != 1:
            raise self._error("size", f"{text} cards: a part of one, or whole ones")
        return [(None, min(cards, WHOLE_CARD))] * max(1, int(cards))

    def _seconds(self, column: str) -> timedelta:
        text = self._text(column)
        try:
            found = timedelta(seconds=float(text))
        except (ValueError, OverflowError):
            raise self._error(column, f"{text!r} is no number of seconds") from None
        if found < timedelta():
            raise self._error(column, f"{text} is below 0")
        return found

    def _text(self, column: str) -> str:
        return (self._row.get(column) or "").strip()

    def _error(self, column: str, what: str) -> TraceError:
        return TraceError(f"line {self._line}, {column}: {what}")
