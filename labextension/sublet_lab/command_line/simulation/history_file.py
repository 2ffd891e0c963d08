"""What really happened on a hub, as a file: the days that are simulated again."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from io import StringIO
from pathlib import Path
from typing import Final

import click
from sublet_quota.amounts.gpu_amounts import MIB_PER_GIB
from sublet_quota.closed_loop.asks.asked import CardChange, CardSpeeds
from sublet_quota.closed_loop.history.happened import History
from sublet_quota.closed_loop.history.history_table import read_history
from sublet_quota.closed_loop.history.replay import cards_of, speeds_of
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
    try:
        history = read_history(lines)
        cards = cards_of(history)
    except SubletQuotaError as error:
        message = f"{name}: {plain(str(error))}"
        raise click.ClickException(message) from error
    if not history.past:
        message = f"{name}: nothing was asked for in these days"
        raise click.ClickException(message)
    return SimulatedDays(
        Workload(history.asked, history.ends, name),
        history.begins,
        cards.first,
        _told(cards.first),
        cards.changes,
        speeds_of(history, CardSpeeds()),
        history,
    )


def _told(cards: tuple[GpuFacts, ...]) -> str:
    kinds = Counter((card.kind.type, card.kind.memory_mib // MIB_PER_GIB) for card in cards)
    alike = (f"{number}x{model}:{gib}" for (model, gib), number in sorted(kinds.items()))
    return plain(",".join(alike)) or "no cards at first"
