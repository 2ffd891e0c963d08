"""The sample week that ships with Sublet: ``python -m sublet_lab.command_line.simulation.sample``.

All of it is drawn, from a seed: twenty people of two groups and of none, on days of the week, with
their jobs. No trace of anybody is in it.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Final

import click
from sublet_quota.closed_loop.asks.trace_table import written_trace
from sublet_quota.closed_loop.people import Habits, Person, days_of

_MONDAY: Final = datetime(2026, 1, 5, tzinfo=UTC)
_SEED: Final = 1


def sample_lines() -> Iterator[str]:
    """Yield the lines of the sample week."""
    works = Habits(cards=None, works=timedelta(minutes=6), jobs_a_day=0.8)
    trains = Habits(cards=None, jobs_a_day=2.5, job_cards=Fraction(1, 2), comes_today=0.5)
    people = [
        *(Person(f"ada-{n}", ("science",), works) for n in range(8)),
        *(Person(f"bob-{n}", ("teaching",), works) for n in range(8)),
        *(Person(f"cleo-{n}", (), trains) for n in range(4)),
    ]
    return written_trace(days_of(people, _MONDAY, _MONDAY + timedelta(days=7), _SEED), _MONDAY)


if __name__ == "__main__":
    for line in sample_lines():
        click.echo(line)
