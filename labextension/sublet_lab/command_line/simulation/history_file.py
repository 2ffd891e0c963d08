"""What really happened on a hub, as a file: the days that are simulated again."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from io import StringIO
from pathlib import Path
from typing import Final

import click
from sublet_quota.closed_loop.asks.asked import CardChange, CardSpeeds
from sublet_quota.closed_loop.history.happened import History
from sublet_quota.closed_loop.history.past_days import PastDays, read_past_days
from sublet_quota.closed_loop.outcome.past_question import NO_CARDS
from sublet_quota.errors import SubletQuotaError
from sublet_quota.holdings.gpu_load import GpuFacts

from sublet_lab.command_line.quota_text import decoded
from sublet_lab.command_line.simulation.workload import Workload
from sublet_lab.command_line.tables import plain

_MOST_BYTES: Final = 512 * 2**20


@dataclass(frozen=True, slots=True)
class SimulatedDays:
    """Who asks for what on which cards, from when on."""

    workload: Workload
    begins: datetime
    cards: tuple[GpuFacts, ...]
    cards_text: str
    changes: tuple[CardChange, ...] = ()
    speeds: CardSpeeds = field(default_factory=CardSpeeds)
    history: History | None = None
    """What really happened, where these days were."""


def days_of_history(path: Path) -> SimulatedDays:
    """Return the days that a file tells of. ``click.ClickException`` where it cannot be read."""
    name = plain(path.name)
    try:
        if path.stat().st_size > _MOST_BYTES:
            message = f"{name} is larger than {_MOST_BYTES // 2**20} MiB: export fewer days"
            raise click.ClickException(message)
        text = path.read_bytes()
    except OSError as error:
        message = f"{plain(str(path))} cannot be read: {error.strerror}"
        raise click.ClickException(message) from error
    return days_of_lines(name, StringIO(decoded(name, text), newline=""))


def days_of_lines(name: str, lines: Iterable[str]) -> SimulatedDays:
    """Return the days that a table's lines tell of. ``click.ClickException``."""
    days = past_days_of(name, lines)
    return SimulatedDays(
        Workload(days.history.asked, days.history.ends, name),
        days.history.begins,
        days.cards.first,
        plain(days.cards_text) or NO_CARDS,
        days.cards.changes,
        days.speeds,
        days.history,
    )


def past_days_of(name: str, lines: Iterable[str]) -> PastDays:
    """Return the days that lines tell of, as they were. ``click.ClickException``."""
    try:
        return read_past_days(lines)
    except SubletQuotaError as error:
        message = f"{name}: {plain(str(error))}"
        raise click.ClickException(message) from error
