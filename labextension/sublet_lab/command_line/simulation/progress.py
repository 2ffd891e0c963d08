"""How far a simulation is: a bar on standard error, where that is a terminal."""

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
    runs = {name: place for place, name in enumerate(question.runs)}
    with click.progressbar(
        length=hours * len(runs),
        file=sys.stderr,
        show_eta=True,
        item_show_func=lambda run: run or "",
    ) as bar:
        reached = 0

        def passed(run: str, now: datetime) -> None:
            nonlocal reached
            at = runs[run] * hours + (now - question.begins) // _HOUR
            if at > reached:
                bar.update(at - reached, run)
                reached = at

        yield passed
        bar.update(hours * len(runs) - reached)
