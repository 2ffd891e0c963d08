"""The first of many numbers in a row that is large enough, found without looking at each."""

from collections.abc import Sequence


class FirstFit:
    """Numbers in a row, of which each can become less."""

    def __init__(self, numbers: Sequence[int]) -> None:
        """``numbers``: none below 0."""
        self._size = 1
        while self._size < len(numbers):
            self._size *= 2
        empty = self._size - len(numbers)
        self._most = [0] * self._size + list(numbers) + [-1] * empty
        """By place in a tree of pairs: the largest number below; the row is its last level."""
        for place in range(self._size - 1, 0, -1):
            self._most[place] = max(self._most[2 * place], self._most[2 * place + 1])

    def first(self, least: int) -> int | None:
        """Return the place of the first number of ``least`` or more, or ``None``."""
        if self._most[1] < least:
            return None
        place = 1
        while place < self._size:
            place *= 2
            if self._most[place] < least:
                place += 1
        return place - self._size

    def drop(self, at: int) -> None:
        """Let the number at a place be found no more."""
        place = at + self._size
        self._most[place] = -1
        while place > 1:
            place //= 2
            self._most[place] = max(self._most[2 * place], self._most[2 * place + 1])
