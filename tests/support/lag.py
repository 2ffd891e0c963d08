"""How much of a while the machine kept processes from running that wanted to."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

_SLEEP_S = 0.005


@dataclass
class Lag:
    """The time, in seconds, by which short sleeps ended too late."""

    total_s: float = 0.0


@contextmanager
def measured_lag() -> Iterator[Lag]:
    """Sleep over and over meanwhile; what is late is the machine's doing, not the product's."""
    lag, over = Lag(), threading.Event()

    def sleep_again_and_again() -> None:
        while not over.is_set():
            began = time.monotonic()
            time.sleep(_SLEEP_S)
            lag.total_s += time.monotonic() - began - _SLEEP_S

    sleeper = threading.Thread(target=sleep_again_and_again, daemon=True)
    sleeper.start()
    try:
        yield lag
    finally:
        over.set()
        sleeper.join()
