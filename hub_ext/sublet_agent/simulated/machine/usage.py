"""Busy time: its share of the last second, and the sum since the start."""

from collections import deque
from dataclasses import dataclass
from typing import Final

WINDOW_S: Final = 1.0
_JOINED_S: Final = 0.005


@dataclass(slots=True)
class _Stretch:
    start_s: float
    end_s: float
    busy_s: float


class UsageMeter:
    """A sum of busy time, with the last second in stretches of a few milliseconds."""

    def __init__(self) -> None:
        self.total_s = 0.0
        self._lately: deque[_Stretch] = deque()

    def add(self, start_s: float, end_s: float, share: float) -> None:
        """Count a stretch of time during which ``share`` of the card was used."""
        busy = (end_s - start_s) * share
        self.total_s += busy
        last = self._lately[-1] if self._lately else None
        if last and start_s - last.end_s < _JOINED_S and end_s - last.start_s < _JOINED_S:
            last.end_s = end_s
            last.busy_s += busy
        else:
            self._lately.append(_Stretch(start_s, end_s, busy))
        self._forget(end_s)

    def percent(self, now_s: float) -> int:
        """Return the share of the last second, in percent."""
        self._forget(now_s)
        begin = now_s - WINDOW_S
        busy = 0.0
        for each in self._lately:
            length = each.end_s - each.start_s
            inside = each.end_s - max(each.start_s, begin)
            busy += each.busy_s * (inside / length if length > 0 else 1.0)
        return min(100, round(100 * busy / WINDOW_S))

    def _forget(self, now_s: float) -> None:
        while self._lately and self._lately[0].end_s < now_s - WINDOW_S:
            self._lately.popleft()
