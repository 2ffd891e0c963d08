"""Keeps out of the log what does not belong there: secrets, forged lines, and floods of lines.

What is taken out, and what a minute takes, is decided in ``sublet_quota.log_lines``.
"""

import logging
import time
from collections.abc import Callable

from sublet_quota.log_lines.line_budget import LineBudget
from sublet_quota.log_lines.record_cleaning import (
    clean_record,
    kind_of,
    template_of,
    words_of,
)

_LEFT_OUT = (
    "Setting new xsrf cookie",
    "xsrf id mismatch",
    "oauth state argument",
    "Received request from Hub user",
    "User model",
)
"""The beginnings of what JupyterHub's library logs with the values of cookies in it."""


class Redaction(logging.Filter):
    """The filter of a handler, which cleans every record, or says that it is one too many."""

    def __init__(
        self,
        handler: logging.Handler,
        known: set[str] | None = None,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the handler, and the set of secrets that this process has, which may grow."""
        super().__init__()
        self._handler = handler
        self._known = set() if known is None else known
        self._monotonic_s = monotonic_s
        self._format = logging.Formatter().formatException
        self._budget = LineBudget()

    def filter(self, record: logging.LogRecord) -> bool:
        """Clean the record; return whether it may be logged at all."""
        if template_of(record).startswith(_LEFT_OUT):
            return False
        # Who asks for every detail wants all of them.
        if record.levelno > logging.DEBUG and not self._has_room_for(record):
            return False
        clean_record(record, tuple(self._known), self._format)
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
                clean_record(line, tuple(self._known), self._format)
                self._handler.emit(line)
            return self._budget.take(kind, most, now_s)
        finally:
            self._handler.release()


def redact_logs(*loggers: logging.Logger) -> set[str]:
    """Put a ``Redaction`` before everything that is logged, by these loggers' handlers as well.

    Return the set of secrets to blot out wherever they stand: who reads one adds it.
    """
    known: set[str] = set()
    for logger in (logging.getLogger(), *loggers):
        for handler in logger.handlers:
            handler.addFilter(Redaction(handler, known))
    # Request lines with their query are tornado's to log, headers of failures too: not wanted.
    logging.getLogger("tornado.access").setLevel(logging.ERROR)
    logging.getLogger("tornado.general").setLevel(logging.ERROR)
    return known
