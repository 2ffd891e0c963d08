"""How far a simulation is: a bar on standard error, where that is a terminal.

Runs go on at once, or one after another: the bar is as far as all of them together.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Final

import click
from sublet_quota.closed_loop.outcome.question import Passed, Question

_HOUR: Final = timedelta(hours=1)


@contextmanager
def told_progress(question: Question) -> Iterator[Passed]:
    """Give what is to be told how far a simulation is."""
    if not sys.stderr.isatty():
        yield lambda *_: None
        return
    hours = max(1, (question.ends - question.begins) // _HOUR)
    reached = dict.fromkeys(question.runs, 0)
    with click.progressbar(
        length=hours * len(reached),
        file=sys.stderr,
        show_eta=True,
        item_show_func=lambda run: run or "",
    ) as bar:

        def passed(run: str, now: datetime) -> None:
            at = (now - question.begins) // _HOUR
            if at > reached[run]:
                bar.update(at - reached[run], run)
                reached[run] = at

        yield passed
        bar.update(hours * len(reached) - sum(reached.values()))
