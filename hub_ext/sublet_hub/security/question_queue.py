"""Which unknown token the hub is asked about next: a line for each address, all with one share.

Nothing tells a good new token from one made up, and all may come from one address. What the hub is
asked is therefore bounded, not who asks: each token waits in the line of its address, once however
often it is sent; a line beyond its bound sends away one of those that came for the first time,
whichever it is; and who was sent away and comes again goes before all that come for the first time.
Who makes tokens up has each of them wait once; who has a good one is asked about soon.
"""

import secrets
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from sublet_hub.security.rate_limits import Rate

_AT_ONCE: Final = 16
_RATE: Final = Rate(burst=100, per_s=200)
_MOST_OF_A_LINE: Final = 256
_MOST_WAITING: Final = 1024
_MOST_SENT_AWAY: Final = 20_000
_SENT_AWAY_FOR_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class QueueBounds:
    """The bounds on the questions about unknown tokens."""

    at_once: int = _AT_ONCE
    rate: Rate = _RATE
    of_a_line: int = _MOST_OF_A_LINE
    waiting: int = _MOST_WAITING


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a token came from."""

    peer: str = ""
    """The other end of the connection."""
    address: str = ""
    """The one that the peer tells, which it may have made up."""


@dataclass(slots=True)
class _Line:
    """The tokens of one origin that wait, by digest, each kind with the longest waiting first."""

    returned: OrderedDict[str, None] = field(default_factory=OrderedDict)
    new: OrderedDict[str, None] = field(default_factory=OrderedDict)

    def __len__(self) -> int:
        return len(self.returned) + len(self.new)

    def take_first(self) -> str:
        kind = self.returned or self.new
        return kind.popitem(last=False)[0]


class QuestionQueue:
    """The tokens that wait for a question to the hub, and the questions that are under way."""

    def __init__(
        self,
        bounds: QueueBounds | None = None,
        choose: Callable[[int], int] = secrets.randbelow,
    ) -> None:
        """Take the bounds, and what chooses a number below another."""
        self._bounds = bounds or QueueBounds()
        self._choose = choose
        self._peers: OrderedDict[str, OrderedDict[str, _Line]] = OrderedDict()
        """The lines by peer and address, those whose turn is longest ago first."""
        self._origin_of: dict[str, Origin] = {}
        self._sent_away: OrderedDict[str, float] = OrderedDict()
        self._under_way = 0
        self._level = self._bounds.rate.burst
        self._seen_s: float | None = None

    def __len__(self) -> int:
        return len(self._origin_of)

    def enter(self, digest: str, origin: Origin, now_s: float) -> str | None:
        """Let a token wait; return which one is sent away for it, be it this one."""
        if digest in self._origin_of:
            return None
        line = self._peers.setdefault(origin.peer, OrderedDict()).setdefault(
            origin.address, _Line()
        )
        sent_at_s = self._sent_away.pop(digest, None)
        returns = sent_at_s is not None and now_s - sent_at_s <= _SENT_AWAY_FOR_S
        (line.returned if returns else line.new)[digest] = None
        self._origin_of[digest] = origin
        if len(line) <= self._bounds.of_a_line:
            if len(self) <= self._bounds.waiting:
                return None
            # Of the longest, one in which somebody has come for the first time, if there is any.
            line = max(self._lines(), key=lambda line: (len(line), len(line.new)))
        return self._send_one_away(line, now_s)

    def leave(self, digest: str, now_s: float) -> None:
        """Let a token wait no more: it has waited too long, and may come again."""
        origin = self._origin_of.get(digest)
        if origin is not None:
            line = self._peers[origin.peer][origin.address]
            line.new.pop(digest, None)
            line.returned.pop(digest, None)
            self._note_sent_away(digest, now_s)
            self._forget(digest)

    def begin(self, now_s: float) -> str | None:
        """Return the token that the hub is asked about now; ``None``: no question may begin."""
        if not self._peers or self.wait_s(now_s) > 0 or self._under_way >= self._bounds.at_once:
            return None
        peer, lines = next(iter(self._peers.items()))
        address, line = next(iter(lines.items()))
        digest = line.take_first()
        self._peers.move_to_end(peer)
        lines.move_to_end(address)
        self._forget(digest)
        self._level -= 1
        self._under_way += 1
        return digest

    def end(self) -> None:
        """Note that a question has its answer."""
        self._under_way -= 1

    def wait_s(self, now_s: float) -> float:
        """Return how long the rate of questions lets no further one begin."""
        rate = self._bounds.rate
        passed_s = 0.0 if self._seen_s is None else now_s - self._seen_s
        self._seen_s = now_s
        self._level = min(rate.burst, self._level + passed_s * rate.per_s)
        return 0.0 if self._level >= 1 else (1 - self._level) / rate.per_s

    def _lines(self) -> Iterator[_Line]:
        for lines in self._peers.values():
            yield from lines.values()

    def _send_one_away(self, line: _Line, now_s: float) -> str:
        kind = line.new or line.returned
        digest = tuple(kind)[self._choose(len(kind))]
        del kind[digest]
        self._note_sent_away(digest, now_s)
        self._forget(digest)
        return digest

    def _note_sent_away(self, digest: str, now_s: float) -> None:
        self._sent_away[digest] = now_s
        while len(self._sent_away) > _MOST_SENT_AWAY:
            self._sent_away.popitem(last=False)

    def _forget(self, digest: str) -> None:
        origin = self._origin_of.pop(digest)
        lines = self._peers[origin.peer]
        if not len(lines[origin.address]):
            del lines[origin.address]
            if not lines:
                del self._peers[origin.peer]
