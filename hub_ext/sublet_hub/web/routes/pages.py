"""Long lists in pages: bounded by count and by bytes, and rendered a few entries at a time.

Between these few the loop serves others (``security.list_turns``): whatever an owner has stored, a
list of theirs keeps nobody's heartbeat waiting. Where there is more, the answer's header
``Sublet-Next`` is what ``?before=`` takes to go on; ``Sublet-Total``, of some lists' first pages,
how many there are in all.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Generic, TypeVar
from urllib.parse import quote

from pydantic import BaseModel
from sublet_quota.wire.api import NEXT_PAGE

from sublet_hub.errors import BadRequestError
from sublet_hub.ledger.job_order import Place
from sublet_hub.ledger.reading import UnreadableRecords, readable
from sublet_hub.security.list_turns import ListTurns

MOST_PAGE_BYTES: Final = 256 * 1024
_MOST_AT_ONCE: Final = 32
_BYTES_AT_ONCE: Final = 32 * 1024
"""About how much is read and rendered before others have a turn,"""
_CPU_AT_ONCE_S: Final = 0.01
"""and about how much time that takes: what an owner has written may be slow to read."""
_LAST_LOOK: Final = 200
"""How many entries in a row may be missing before a list is taken to end there."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MOST_DIGITS: Final = 17
"""Microseconds up to the year 5138."""

Entry = TypeVar("Entry")


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list, as JSON; ``following`` is where the rest of it begins, if any."""

    entries: tuple[bytes, ...]
    following: str | None
    cpu_s: float = 0.0
    """The time that a processor took over it."""
    total: int | None = None
    """How many entries the whole list has, where that was counted."""

    @property
    def body(self) -> bytes:
        """The answer's body."""
        return b"[" + b",".join(self.entries) + b"]"


@dataclass(frozen=True, slots=True)
class Listing(Generic[Entry]):
    """A list: how its newest entries are found, where each stands, and how it is shown."""

    older: Callable[[Place | None, int], Sequence[Entry]]
    """At most so many of those before a place, the newest first; some of them may be missing."""
    place: Callable[[Entry], Place]
    shown: Callable[[Entry], BaseModel]
    kind: str
    """What they are in the ledger: what cannot be shown is left out, and counted as one of these.
    """


async def newest_page(
    listing: Listing[Entry],
    before: Place | None,
    most: int,
    turns: ListTurns,
    unread: UnreadableRecords,
) -> Page:
    """Return the newest entries before a place, the newest first; one at least if there is any."""
    entries: list[bytes] = []
    size, last, at_once, cpu_s = 0, before, 1, 0.0
    while True:
        async with turns.part():
            began_s = time.thread_time()
            found = listing.older(last, at_once)
            shown = readable(
                found,
                lambda each: (listing.place(each), listing.shown(each).model_dump_json().encode()),
                lambda each: listing.place(each)[1],
                listing.kind,
                unread,
            )
            took_s = time.thread_time() - began_s
        cpu_s += took_s
        if not found and at_once == _LAST_LOOK:
            return Page(tuple(entries), None, cpu_s)
        if not found:
            # These may be such as are not there any more, or cannot be read: others may be behind.
            at_once = _LAST_LOOK
            continue
        for place, text in shown:
            if len(entries) == most or (entries and size + len(text) > MOST_PAGE_BYTES):
                following = None if last is None else _written(last)
                return Page(tuple(entries), following, cpu_s)
            entries.append(text)
            size, last = size + len(text) + 1, place
        last = listing.place(found[-1])
        by_size = _BYTES_AT_ONCE * len(entries) // max(1, size)
        by_time = int(_CPU_AT_ONCE_S * len(found) / max(took_s, 1e-6))
        at_once = max(1, min(_MOST_AT_ONCE, by_size, by_time))


def read_place(text: str) -> Place:
    """Return the place that a ``Sublet-Next`` names. ``BadRequestError``."""
    digits, _, name = text.partition("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= _MOST_DIGITS and name):
        message = f"?before= takes only what the header {NEXT_PAGE} of the page before says"
        raise BadRequestError(message)
    return _EPOCH + timedelta(microseconds=int(digits)), name


def _written(place: Place) -> str:
    at, name = place
    return f"{(at - _EPOCH) // timedelta(microseconds=1)}-{quote(name, safe='')}"
