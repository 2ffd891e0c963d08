"""Collectors that others need not wait for: between the steps of a long walk others have a turn."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, TypeVar

from prometheus_client.core import Metric

T = TypeVar("T")

STEP: Final = 100
"""So many slices, cards or groups are read at once: a few milliseconds."""


class SteppedCollector(ABC):
    """A collector whose reading can be interrupted, as by 5,000 cards or 10,000 slices.

    What is read in different steps is of different moments: a fraction of a second apart.
    """

    @abstractmethod
    def steps(self) -> Iterator[Metric | None]:
        """Yield all metrics, and ``None`` wherever others may have a turn before it goes on."""


def in_parts(things: Iterable[T]) -> Iterator[Sequence[T]]:
    """Yield all of these, ``STEP`` at a time; those that come or go meanwhile change nothing."""
    every = tuple(things)
    return (every[start : start + STEP] for start in range(0, len(every), STEP))
