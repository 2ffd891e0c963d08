"""Keeps out of the agent's log what does not belong there: secrets, forged lines, and floods.

Tenants choose names, paths and what their processes say; the agent's secret is in its headers.
What is taken out, and what a minute takes, is decided in ``sublet_quota.log_lines``.
"""

import logging
import time
from collections.abc import Callable

from sublet_quota.log_lines.line_budget import LineBudget
from sublet_quota.log_lines.record_cleaning import clean_record, kind_of, words_of


class LogCleaning(logging.Filter):
    """The filter of a handler, which cleans every record, or says that it is one too many."""

    def __init__(
        self, handler: logging.Handler, monotonic_s: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__()
        self._handler = handler
        self._monotonic_s = monotonic_s
        self._format = logging.Formatter().formatException
        self._budget = LineBudget()

    def filter(self, record: logging.LogRecord) -> bool:
        """Clean the record; return whether it may be logged at all."""
        # Who asks for every detail wants all of them.
        if record.levelno > logging.DEBUG and not self._has_room_for(record):
            return False
        clean_record(record, (), self._format)
        return True

    def _has_room_for(self, record: logging.LogRecord) -> bool:
        kind, most = kind_of(record)
        self._handler.acquire()
        try:
            now_s = self._monotonic_s()
            for left_out in self._budget.end_minute(now_s):
                line = logging.LogRecord(
                    __name__, logging.WARNING, "", 0, words_of(left_out), (), None
                )
                self._handler.emit(line)
            return self._budget.take(kind, most, now_s)
        finally:
            self._handler.release()


def clean_logs(*loggers: logging.Logger) -> None:
    """Put a ``LogCleaning`` before everything that the root logger and these write."""
    for logger in (logging.getLogger(), *loggers):
        for handler in logger.handlers:
            handler.addFilter(LogCleaning(handler))
