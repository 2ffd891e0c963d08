"""One row of a trace: what it asks for, or what is wrong with it, by column."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Final

from sublet_quota.closed_loop.asks.asked import AGAIN, Asked, AskedJob, AskedServer, Cell
from sublet_quota.closed_loop.asks.bounded_text import LONGEST, read_part, read_seconds
from sublet_quota.closed_loop.asks.draws import Draws
from sublet_quota.closed_loop.asks.spelling import read_cell, read_groups
from sublet_quota.closed_loop.people import Habits, cells_for
from sublet_quota.errors import SubletQuotaError
from sublet_quota.shares.cards import WHOLE_CARD

NEEDED: Final = ("arrival", "owner", "group", "duration", "size")
OPTIONAL: Final = (
    "kind",
    "gpu_type",
    "name",
    "cells",
    "stays",
    "fills",
    "patience",
    "priority",
    "max_run",
    "named",
)
RECORDED: Final = (
    "payer",
    "got",
    "refused",
    "waits",
    "state",
    "node",
    "number",
    "mib",
    "margin_mib",
)
"""What a table has besides that tells what really happened."""
KNOWN: Final = frozenset((*NEEDED, *OPTIONAL, *RECORDED))
JOB: Final = "job"
NOTEBOOK: Final = "notebook"
RECORDED_KINDS: Final = ("history", "card", "moves", "hours")
"""The rows that ask for nothing, and tell what happened."""
_KINDS: Final = (JOB, NOTEBOOK)
_MOST_CARDS: Final = 1024


class TraceError(SubletQuotaError):
    """A trace that cannot be read: the line, the column, and what is wrong."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """How what a trace does not say is drawn: the cells of notebooks."""

    begins: datetime
    """When the trace's own time begins."""
    seed: int = 0
    habits: Habits = field(default_factory=Habits)


class TraceRow:
    """A row, as texts by column."""

    def __init__(self, row: Mapping[str, str | None], line: int) -> None:
        self._row = row
        self._line = line

    def asked(self, drawing: Drawing) -> Iterator[Asked]:
        """Yield what the row asks for: several, if it is of several cards. ``TraceError``."""
        kind = self._text("kind") or JOB
        if kind not in _KINDS:
            raise self._error("kind", f"{kind!r} is none of {', '.join(_KINDS)}")
        owner = self._text("owner")
        if not owner:
            raise self._error("owner", "nobody")
        at = drawing.begins + self._seconds("arrival")
        works = self._seconds("duration") if kind == JOB else timedelta()
        sizes = self._sizes(kind)
        for number, (size, cards) in enumerate(sizes):
            name = self._name(kind, number, len(sizes))
            groups, gpu_type = read_groups(self._text("group")), self._text("gpu_type") or None
            if kind == JOB:
                yield AskedJob(
                    name=name,
                    at=at,
                    owner=owner,
                    groups=groups,
                    works=works,
                    cards=cards or WHOLE_CARD,
                    gpu_type=gpu_type,
                    group=self._text("named") or None,
                    priority=self._whole_number("priority"),
                    max_run=self._time("max_run"),
                )
                continue
            yield AskedServer(
                name=name,
                at=at,
                owner=owner,
                groups=groups,
                size=size,
                cards=cards,
                gpu_type=gpu_type,
                group=self._text("named") or None,
                cells=self._cells(name, drawing),
                stays=self._time("stays") or timedelta(),
                fills=self._part("fills", drawing.habits.fills),
                patience=self._time("patience", drawing.habits.patience) or timedelta(),
            )

    def _name(self, kind: str, number: int, of: int) -> str:
        said = self._text("name")
        if not said:
            return f"{kind}/{self._line}/{number}"
        if said.endswith(AGAIN):
            what = f"{said!r} ends in {AGAIN!r}: that tells servers that are started anew"
            raise self._error("name", what)
        return said if of == 1 else f"{said}/{number}"

    def _sizes(self, kind: str) -> list[tuple[str | None, Fraction | None]]:
        text = self._text("size")
        if kind == NOTEBOOK and not text:
            return [(None, None)]
        try:
            cards = read_part(text)
        except ValueError:
            if kind == NOTEBOOK:
                return [(text, None)]
            raise self._error("size", f"{text!r} is no number of cards") from None
        if not 0 < cards <= _MOST_CARDS:
            raise self._error("size", f"{text} cards, from above 0 to {_MOST_CARDS} are possible")
        if cards > 1 and cards.denominator != 1:
            raise self._error("size", f"{text} cards: a part of one, or whole ones")
        if kind == JOB:
            return [(None, cards)]
        return [(None, min(cards, WHOLE_CARD))] * max(1, int(cards))

    def _cells(self, name: str, drawing: Drawing) -> tuple[Cell, ...]:
        text = self._text("cells")
        if not text:
            lasts = self._seconds("duration")
            return cells_for(lasts, drawing.habits, Draws(drawing.seed, name))
        return tuple(self._cell(pair) for pair in text.split())

    def _cell(self, pair: str) -> Cell:
        thinks, plus, works = pair.partition("+")
        if not plus:
            raise self._error("cells", f"{pair!r}: write THINKS+WORKS in seconds, such as 60+12.5")
        return Cell(self._as_time("cells", thinks), self._as_time("cells", works))

    def _part(self, column: str, otherwise: Fraction) -> Fraction:
        text = self._text(column)
        if not text:
            return otherwise
        try:
            part = read_part(text)
        except ValueError:
            raise self._error(column, f"{text!r} is no part of a slice, such as 1/2") from None
        if not 0 <= part <= 1:
            raise self._error(column, f"{text}: from 0 to 1 is possible")
        return part

    def _whole_number(self, column: str) -> int:
        text = self._text(column)
        try:
            return int(text or 0)
        except ValueError:
            raise self._error(column, f"{text!r} is no whole number") from None

    def _time(self, column: str, otherwise: timedelta | None = None) -> timedelta | None:
        return self._seconds(column) if self._text(column) else otherwise

    def _seconds(self, column: str) -> timedelta:
        return self._as_time(column, self._text(column))

    def _as_time(self, column: str, text: str) -> timedelta:
        try:
            found = read_seconds(text)
        except ValueError:
            what = f"{text!r} is no number of seconds, {LONGEST.days} days at most"
            raise self._error(column, what) from None
        if found < timedelta():
            raise self._error(column, f"{text} is below 0")
        return found

    def _text(self, column: str) -> str:
        return read_cell((self._row.get(column) or "").strip())

    def _error(self, column: str, what: str) -> TraceError:
        return TraceError(f"line {self._line}, {column}: {what}")
