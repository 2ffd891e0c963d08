"""What follows when a part has ended: it is started again after a pause, or it is gone for good.

The pause grows with each end in a row. A part that ran for ``LONG_ENOUGH_S`` begins a new row.
"""

import signal
from dataclasses import dataclass
from typing import Final

SETTINGS_EXIT: Final = 78
"""The exit status (EX_CONFIG) of a part that cannot work as it is set up."""
LONG_ENOUGH_S: Final = 60.0
PAUSES_S: Final = (0.0, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
"""The pauses before the first to the last try in a row, in seconds."""


@dataclass(frozen=True, slots=True)
class StartAgain:
    """A part is to be started again."""

    after_s: float


@dataclass(frozen=True, slots=True)
class GoneForGood:
    """A part is not started again; ``why`` continues "it is not started again, since"."""

    why: str


def after_end(status: int, lived_s: float, ends_before: int) -> StartAgain | GoneForGood:
    """Return what follows the end of a part.

    ``ends_before``: its ends in a row before this one; none count where it lived long enough.
    """
    if status == SETTINGS_EXIT:
        return GoneForGood("it cannot work as it is set up")
    ends_before = ends_before_this(lived_s, ends_before)
    if ends_before >= len(PAUSES_S):
        return GoneForGood(
            f"it has ended {ends_before + 1} times in a row, within {LONG_ENOUGH_S:g} s each time"
        )
    return StartAgain(PAUSES_S[ends_before])


def ends_before_this(lived_s: float, ends_before: int) -> int:
    """Return how many ends in a row were before the end of a part that lived so long."""
    return 0 if lived_s >= LONG_ENOUGH_S else ends_before


def words_of(status: int) -> str:
    """Return how a process ended, from its exit status: ``ended with status 1``."""
    if status >= 0:
        return f"ended with status {status}"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    return f"was ended by {name}"
