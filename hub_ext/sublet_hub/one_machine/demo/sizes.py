"""How much the players of the demo hold, and how long its waits may be: pure arithmetic.

The story wants two large slices that do not fit on the card together, a small one, and a training
that stays where it is beside the small slice and not beside a large one. On a real card what they
hold is cut to what the host's memory takes, since what is suspended lies there, and to what can be
moved in a few minutes.
"""

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

LARGE_CAP: Final = 0.75
SMALL_CAP: Final = 0.5
"""The caps of the slices, as shares of the card: 2 in all, which is the pool's overcommit."""
TRAINING: Final = 0.25
"""What the training holds: with a large cap the whole card, and so in its way, context included."""
SMALL_OF_LARGE: Final = 0.6
"""What the owner of the small slice holds, as a share of what each of the large ones holds."""
MOST_LARGE: Final = 0.62
LEAST_LARGE: Final = 0.28
"""What each owner of a large slice holds: at least so much that it is in the other's way."""

SLOWEST_OUT: Final = 1.7
SLOWEST_BACK: Final = 4.8
"""The lowest speeds of the driver's moves that were measured, in GiB/s."""
LEAST_CARD_GIB: Final = 12.0
HOST_RESERVE_GIB: Final = 12.0
"""Host memory for all but images: hub, servers and kernels with PyTorch, and what the agent keeps.
"""
CONTEXT_GIB: Final = 1.0
"""The most that a process's CUDA context and caches add to what it holds."""
MOVES_WITHIN_S: Final = 420.0
"""How long all moves of the story may take together, at the slowest, where the card allows it."""

_TURN_S: Final = 2.0
_ROUND_S: Final = 0.05
_PATIENCE_S: Final = 240.0
"""Beside all moves: twice as long as a cell waits that was suspended in its middle, for being idle.
"""
_SLACK: Final = 1.5
_GIVE_BACK_WITHIN_S: Final = 60.0


class Scarce(StrEnum):
    """What there is too little of."""

    CARD = "card"
    HOST = "host memory"


@dataclass(frozen=True, slots=True)
class TooSmall:
    """The demo cannot be played here."""

    scarce: Scarce
    needs_gib: float
    has_gib: float


@dataclass(frozen=True, slots=True)
class Sizes:
    """The amounts of the story on one card."""

    card_gib: float
    large_gib: float
    """What each owner of a large slice fills."""
    small_gib: float
    training_gib: float
    training_steps: int
    compute_rounds: int
    """How long each of the two who compute at once does, in rounds of 0.05 s."""
    out_gib_s: float
    back_gib_s: float
    """The speeds that waits are reckoned with."""
    turn_s: float = _TURN_S

    @property
    def large_cap_mib(self) -> int:
        """The cap of a large slice."""
        return int(self.card_gib * 1024 * LARGE_CAP)

    @property
    def small_cap_mib(self) -> int:
        """The cap of the small slice."""
        return int(self.card_gib * 1024 * SMALL_CAP)

    @property
    def host_gib(self) -> float:
        """The most host memory that images take at one time: while the training has the card."""
        return _images_gib(self.large_gib, self.small_gib)

    @property
    def moved_gib(self) -> tuple[float, float]:
        """How much the whole story moves out and back, in GiB."""
        turns = self._switches
        return (
            (12 + turns) * self.large_gib + 3 * self.small_gib + self.training_gib,
            (10 + turns) * self.large_gib + 3 * self.small_gib + self.training_gib,
        )

    @property
    def moves_s(self) -> float:
        """How long all moves take at these speeds."""
        out, back = self.moved_gib
        return out / self.out_gib_s + back / self.back_gib_s

    @property
    def patience_s(self) -> float:
        """How long to wait for anything that at most one owner's return, or a job, needs."""
        out = self.large_gib + self.small_gib + self.training_gib
        longest = out / self.out_gib_s + self.large_gib / self.back_gib_s
        return _PATIENCE_S + _SLACK * longest

    @property
    def turns_patience_s(self) -> float:
        """How long to wait for two who compute at once, and change places again and again."""
        change = (self.large_gib + self.small_gib) / self.out_gib_s
        change += self.large_gib / self.back_gib_s
        return _PATIENCE_S + _SLACK * (self._switches + 2) * change

    @property
    def give_back_within_s(self) -> int:
        """How long an owner may have to wait for the training: else it would never be let in."""
        return math.ceil(max(_GIVE_BACK_WITHIN_S, 2 * self.training_gib / self.out_gib_s))

    @property
    def _switches(self) -> int:
        return 2 * math.ceil(self.compute_rounds * _ROUND_S / self.turn_s)


def simulated_sizes(card_gib: float, speed: float) -> Sizes:
    """Return the amounts for a simulated card, whose images are small in truth."""
    return Sizes(
        card_gib=card_gib,
        large_gib=float(round(card_gib * MOST_LARGE)),
        small_gib=float(round(card_gib * 0.38)),
        training_gib=float(round(card_gib * TRAINING)),
        training_steps=800,
        compute_rounds=50,
        out_gib_s=SLOWEST_OUT * speed,
        back_gib_s=SLOWEST_BACK * speed,
    )


def nvidia_sizes(card_gib: float, host_gib: float) -> Sizes | TooSmall:
    """Return the amounts for a real card, on a machine with so much host memory left."""
    if card_gib < LEAST_CARD_GIB:
        return TooSmall(Scarce.CARD, LEAST_CARD_GIB, card_gib)
    least = _nvidia(card_gib, LEAST_LARGE * card_gib)
    needs_gib = least.host_gib + HOST_RESERVE_GIB
    if host_gib < needs_gib:
        return TooSmall(Scarce.HOST, needs_gib, host_gib)
    # Each of the bounds grows evenly with what the owners of large slices hold.
    one_more = _nvidia(card_gib, least.large_gib + 1)
    by_host = (host_gib - needs_gib) / (one_more.host_gib - least.host_gib)
    by_time = (MOVES_WITHIN_S - least.moves_s) / (one_more.moves_s - least.moves_s)
    more_gib = max(0.0, min(by_host, by_time))
    return _nvidia(card_gib, min(MOST_LARGE * card_gib, least.large_gib + more_gib))


def _nvidia(card_gib: float, large_gib: float) -> Sizes:
    return Sizes(
        card_gib=card_gib,
        large_gib=large_gib,
        small_gib=large_gib * SMALL_OF_LARGE,
        training_gib=card_gib * TRAINING,
        # Two owners come back while it trains, seen by who asks a few times a second.
        training_steps=1000,
        # One turn each: a change of places takes half a minute on a large card.
        compute_rounds=30,
        out_gib_s=SLOWEST_OUT,
        back_gib_s=SLOWEST_BACK,
    )


def _images_gib(large_gib: float, small_gib: float) -> float:
    return 2 * large_gib + small_gib + 3 * CONTEXT_GIB
