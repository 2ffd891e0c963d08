"""The connections that are open: how many there may be, and which one goes for a new one.

All that comes through the hub's proxy has one address, and what a slow client sends through it is a
slow connection of the proxy's (or a silent one: it connects here before the client's body begins).
So where all places are taken, what goes first is told by what a connection is about, in the order
of ``_About``, but for a few strangers who have just come; of each kind, whoever has the most gives
one up, their longest. Strangers are told apart by peer, who was let in by name. With that, who is
being answered keeps their places while there is a stranger's left, from however many addresses
those come; and nobody has more than a part of them.
"""

import resource
from collections import Counter, OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from enum import IntEnum, auto
from itertools import count
from typing import Final, Generic, TypeVar

from sublet_hub.security.client_address import network_of

OPEN_CONNECTIONS: Final = "open_connections"
"""The application's setting that holds its server's open connections."""
_LEAST: Final = 32
_MOST: Final = 2048
_SHARED_BY: Final = 8
"""One caller's requests have this part of all places."""
_KEPT_FOR_THE_NEW: Final = 4
"""Strangers who are still heard, and those who are found out, each have this part of all places
before any that was there longer goes: who has just come is otherwise the first to go.
"""

Connection = TypeVar("Connection", bound=Hashable)


def most_connections(ports: int = 1) -> int:
    """Return for how many connections each of this process's ports has files.

    Half of all files are for everything else.
    """
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return max(_LEAST, min(_MOST, files // (2 * ports)))


class _About(IntEnum):
    """What a connection is about; those with the least number go first."""

    NOTHING = auto()
    """It waits for its next request."""
    STRANGER_DELAYS = auto()
    """A stranger's request is still coming, or its answer is not taken yet."""
    STRANGER = auto()
    """Who sent the request is being found out."""
    CALLER_DELAYS = auto()
    """The body of who was let in is still coming, or their answer is not taken yet."""
    CALLER = auto()
    """Who was let in is being answered."""
    HUB = auto()
    """The hub is being answered: never goes."""


_STRANGERS: Final = (_About.STRANGER_DELAYS, _About.STRANGER)


@dataclass(slots=True)
class _Place:
    """The place of one connection."""

    peer: str
    about: _About = _About.STRANGER_DELAYS
    since: int = 0
    who: str | None = None
    has_asked: bool = False
    body_is_over: bool = True

    @property
    def group(self) -> str:
        """With whose connections it is counted."""
        return self.peer if self.who is None else self.who


class OpenConnections(Generic[Connection]):
    """The open connections, each with what it is about and for whom."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._most_of_one = max(1, most // _SHARED_BY)
        self._places: dict[Connection, _Place] = {}
        self._groups: dict[_About, dict[str, OrderedDict[Connection, None]]] = {
            about: {} for about in _About
        }
        """The connections by kind and whose they are, the longest first."""
        self._number: Counter[_About] = Counter()
        self._of_caller: Counter[str] = Counter()
        self._clock = count()

    def __len__(self) -> int:
        return len(self._places)

    def open(self, connection: Connection, address: str) -> Connection | None:
        """Note a new connection; return which one must be closed, be it the new one."""
        victim = None
        if len(self) >= self._most:
            victim = self._victim()
            if victim is None:
                return connection
            self.close(victim)
        place = self._places[connection] = _Place(network_of(address))
        self._enter(connection, place)
        return victim

    def is_asked(self, connection: Connection, *, body_is_over: bool) -> None:
        """Note that the headers of a request have come, of nobody knows whom."""
        place = self._places.get(connection)
        if place is not None:
            place.has_asked, place.body_is_over = True, body_is_over
            self._move(connection, _About.STRANGER if body_is_over else _About.STRANGER_DELAYS)

    def let_in(self, connection: Connection, who: str, *, is_hub: bool = False) -> bool:
        """Note whose request it is; return whether so many of theirs may be under way.

        The hub's may always: there is one for each server that starts.
        """
        place = self._places.get(connection)
        if place is None:
            return True
        if not is_hub and self._of_caller[who] >= self._most_of_one:
            return False
        kind = _About.CALLER if place.body_is_over else _About.CALLER_DELAYS
        self._move(connection, _About.HUB if is_hub else kind, who)
        return True

    def has_sent_all(self, connection: Connection) -> None:
        """Note that the body of a request is here."""
        place = self._places.get(connection)
        if place is not None and not place.body_is_over:
            place.body_is_over = True
            if place.about is _About.CALLER_DELAYS:
                self._move(connection, _About.CALLER, place.who)
            elif place.about is _About.STRANGER_DELAYS:
                self._move(connection, _About.STRANGER)

    def is_answered(self, connection: Connection) -> None:
        """Note that the answer is on its way: from now on the other side is waited for."""
        place = self._places.get(connection)
        if place is not None:
            kind = _About.STRANGER_DELAYS if place.who is None else _About.CALLER_DELAYS
            self._move(connection, kind, place.who)

    def is_idle(self, connection: Connection) -> None:
        """Note that this connection waits for its next request; for its first it already does."""
        place = self._places.get(connection)
        if place is not None and place.has_asked:
            self._move(connection, _About.NOTHING)

    def close(self, connection: Connection) -> None:
        """Note that a connection is closed."""
        place = self._places.pop(connection, None)
        if place is not None:
            self._leave(connection, place)

    def give_one_up(self) -> Connection | None:
        """Return a connection on which nothing is answered, and count on it no more."""
        for about in (_About.NOTHING, _About.STRANGER_DELAYS):
            if self._number[about]:
                connection = self._longest(about)
                self.close(connection)
                return connection
        return None

    def _victim(self) -> Connection | None:
        """Return which connection goes for a new one; ``None``: the new one itself."""
        order = [about for about in _About if about is not _About.HUB and self._number[about]]
        if sum(self._number[about] for about in _STRANGERS) > self._most // 2:
            # So that connections kept open for the next request are not all lost to a crowd.
            order.sort(key=lambda about: about not in _STRANGERS)
        few = self._most // _KEPT_FOR_THE_NEW
        late = [about for about in order if about is not _About.CALLER]
        late = [each for each in late if each not in _STRANGERS or self._number[each] > few] or late
        if late:
            return self._longest(late[0])
        of_callers = self._groups[_About.CALLER].values()
        if max(map(len, of_callers), default=1) == 1:
            return None
        return self._longest(_About.CALLER)

    def _longest(self, about: _About) -> Connection:
        """Return the longest of who has the most of a kind, the longest of all among equals."""
        groups = self._groups[about].values()
        first = ((len(group), next(iter(group))) for group in groups)
        return max(first, key=lambda each: (each[0], -self._places[each[1]].since))[1]

    def _move(self, connection: Connection, about: _About, who: str | None = None) -> None:
        place = self._places[connection]
        # Whose request is long in coming is not newer for a part of it.
        if (place.about, place.who) != (about, who):
            self._leave(connection, place)
            place.about, place.who = about, who
            self._enter(connection, place)

    def _enter(self, connection: Connection, place: _Place) -> None:
        place.since = next(self._clock)
        groups = self._groups[place.about]
        groups.setdefault(place.group, OrderedDict())[connection] = None
        self._number[place.about] += 1
        if place.who is not None:
            self._of_caller[place.who] += 1

    def _leave(self, connection: Connection, place: _Place) -> None:
        groups = self._groups[place.about]
        del groups[place.group][connection]
        if not groups[place.group]:
            del groups[place.group]
        self._number[place.about] -= 1
        if place.who is not None:
            self._of_caller[place.who] -= 1
            if not self._of_caller[place.who]:
                del self._of_caller[place.who]
