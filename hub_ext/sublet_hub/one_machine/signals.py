"""The signals that tell a program to stop: Ctrl-C, SIGTERM, and the end of its terminal.

The parts run in sessions of their own and hear none of it: the program has to stop them, also when
nobody is left to read what it says.
"""

import contextlib
import signal
import sys
from collections.abc import Callable, Iterator

TO_STOP = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def when_told_to_stop(act: Callable[[int], None]) -> None:
    """Call ``act`` with the signal's number. Under ``nohup`` the end of the terminal is none."""
    for each in TO_STOP:
        if each is signal.SIGHUP and signal.getsignal(each) is signal.SIG_IGN:
            continue
        signal.signal(each, lambda number, _: act(number))


def exit_once(number: int) -> None:
    """Exit as a program ended by this signal does; told to stop again, the exit goes on."""
    for each in TO_STOP:
        signal.signal(each, signal.SIG_IGN)
    sys.exit(128 + number)


@contextlib.contextmanager
def made_to_wait() -> Iterator[None]:
    """Let signals to stop wait while the block lasts. A process begun there is deaf to them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, TO_STOP)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
