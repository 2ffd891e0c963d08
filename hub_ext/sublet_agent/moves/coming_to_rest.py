"""How long slices take to come to rest for another's turn, and who does not do so in time.

A process comes to rest once the kernel that runs has ended. Beside another that takes twice as
long, as both share the card: so whoever was slow lately is paused before the next one runs. Who
does not come to rest in time runs on through the turns of others, and takes none for a while; for
twice as long each time, until it was paused many times one after another.

Times are seconds of a monotonic clock. All methods may be called from any thread.
"""

import threading
from dataclasses import dataclass
from typing import Final

from sublet_quota.compute.card_use import NotPausable
from sublet_quota.names.ids import SliceId

SLOW_S: Final = 0.005
"""Whoever takes longer is paused before the next one runs; else the card would wait for calls."""
_FORGOTTEN_BY: Final = 0.98
"""A kernel that is about to end says nothing of the next one: slow ones are so for some seconds."""
_FAILURES: Final = 3
"""So many times one after another a slice may not come to rest in time before it is left alone."""
_LEFT_ALONE_S: Final = 60.0
_LONGEST_ALONE_S: Final = 16 * 60.0
_TRUSTED_AFTER: Final = 100
"""Whoever was paused so many times one after another is not left alone for longer than at first."""


@dataclass(slots=True)
class _Seen:
    """What was seen of one slice."""

    takes_s: float = 0.0
    failures: int = 0
    paused: int = 0
    """How often it was paused one after another."""
    alone_s: float = 0.0
    """For how long it was left alone last; 0: never, as far as that counts."""
    until_s: float = 0.0
    why: NotPausable = NotPausable.CANNOT_BE_PAUSED


class ComingToRest:
    """What was seen of the slices of a card as they were paused for turns."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: dict[SliceId, _Seen] = {}

    def is_slow(self, slice_id: SliceId) -> bool:
        """Whether a slice is to be paused before the next one runs."""
        with self._lock:
            seen = self._seen.get(slice_id)
            return seen is not None and seen.takes_s > SLOW_S

    def why_not(self, slice_id: SliceId, now_s: float) -> NotPausable | None:
        """Return why a slice cannot be paused, which is not tried for now; ``None``: it can."""
        with self._lock:
            seen = self._seen.get(slice_id)
            return seen.why if seen is not None and now_s < seen.until_s else None

    def note_paused(self, slice_id: SliceId, took_s: float) -> None:
        """Note that a slice has come to rest."""
        with self._lock:
            seen = self._seen.setdefault(slice_id, _Seen())
            seen.takes_s = max(took_s, seen.takes_s * _FORGOTTEN_BY)
            seen.failures, seen.paused = 0, seen.paused + 1
            if seen.paused >= _TRUSTED_AFTER:
                seen.alone_s = 0.0

    def note_late(self, slice_id: SliceId, took_s: float, now_s: float) -> bool:
        """Note that a slice did not come to rest in time; return whether it is left alone now."""
        return self._note_failure(slice_id, took_s, now_s, NotPausable.LONG_KERNELS)

    def note_failed(self, slice_id: SliceId, now_s: float, *, never: bool) -> bool:
        """Note that a slice could not be paused; return whether it is left alone now.

        ``never``: whether it is known that this will not work.
        """
        why = NotPausable.CANNOT_BE_PAUSED
        return self._note_failure(slice_id, 0.0, now_s, why, never=never)

    def _note_failure(
        self,
        slice_id: SliceId,
        took_s: float,
        now_s: float,
        why: NotPausable,
        *,
        never: bool = False,
    ) -> bool:
        with self._lock:
            seen = self._seen.setdefault(slice_id, _Seen())
            seen.takes_s = max(took_s, seen.takes_s)
            seen.failures, seen.paused = seen.failures + 1, 0
            if not never and seen.failures < _FAILURES:
                return False
            seen.failures = 0
            seen.alone_s = min(_LONGEST_ALONE_S, max(_LEFT_ALONE_S, 2 * seen.alone_s))
            seen.until_s, seen.why = now_s + seen.alone_s, why
            return True
