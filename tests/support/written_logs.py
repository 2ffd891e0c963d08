"""A logger of a test's own, with one handler that writes into memory."""

import io
import itertools
import logging
from collections.abc import Callable
from dataclasses import dataclass

_NUMBERS = itertools.count()


@dataclass
class WrittenLog:
    logger: logging.Logger
    stream: io.StringIO

    @property
    def lines(self) -> list[str]:
        return self.stream.getvalue().splitlines()


def written_log(filter_of: Callable[[logging.Handler], logging.Filter]) -> WrittenLog:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
    handler.addFilter(filter_of(handler))
    logger = logging.getLogger(f"tests.written.{next(_NUMBERS)}")
    logger.propagate = False
    logger.setLevel(logging.DEBUG)
    logger.addHandler(handler)
    return WrittenLog(logger, stream)
