"""Steps that look after many things: what fails with one of these leaves the others be."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from sublet_hub.ledger.database import LedgerWriteError

_LOG = logging.getLogger(__name__)
_MOST_KNOWN: Final = 10_000


class Isolation:
    """The things of a step, and how those failed that did when they were looked after last."""

    def __init__(self) -> None:
        self._failed: dict[str, str] = {}

    @contextmanager
    def of(self, what: str) -> Iterator[None]:
        """Return a context in which one thing of a step may fail.

        That is logged once, until the thing is looked after again or fails in another way. A
        ledger that takes nothing is everybody's failure, and raised.
        """
        try:
            yield
        except LedgerWriteError:
            raise
        except Exception as error:  # noqa: BLE001 (the other part of the one place)
            self._note(what, error)
        else:
            self._failed.pop(what, None)

    def _note(self, what: str, error: Exception) -> None:
        how = type(error).__name__
        if self._failed.get(what) == how:
            return
        if len(self._failed) >= _MOST_KNOWN:
            # What is gone meanwhile is never looked after again.
            self._failed.clear()
        self._failed[what] = how
        _LOG.exception("%s cannot be looked after", what)
