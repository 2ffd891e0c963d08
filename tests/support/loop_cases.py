"""Builders for the closed loop: a hub of few cards, people and jobs, in one line each."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from fractions import Fraction

from sublet_quota.amounts.gpu_kind import GpuKind
from sublet_quota.closed_loop.asks.asked import (
    Asked,
    AskedJob,
    AskedServer,
    Cell,
    Manner,
    NewDocument,
)
from sublet_quota.closed_loop.asks.change_text import read_changes
from sublet_quota.closed_loop.cluster import Scenario
from sublet_quota.holdings.gpu_load import GpuFacts

from tests.support.quota_cases import H100, L4, gpu
from tests.support.quota_documents import document

MONDAY = datetime(2026, 11, 23, tzinfo=UTC)
TYPES = """
gpu_types: {H100: {match: '*H100*', rate: 4}, L4: {match: '*L4*'}}
everyone: {own_amounts: true, limit: {slices: 100, cards: 100}, jobs: {most: 10000}}
"""
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


def cards(number: int, kind: GpuKind = H100, a_node: int = 8) -> tuple[GpuFacts, ...]:
    """So many cards of a kind, some to a node."""
    name = "h" if kind is H100 else "l"
    return tuple(
        gpu(f"{name}{at}", kind, f"{name}-node-{at // a_node}", at % a_node) for at in range(number)
    )


def a_server(  # noqa: PLR0913 - a builder
    name: str,
    group: str = "",
    part: str | None = "1/2",
    *,
    at: timedelta = timedelta(),
    owner: str = "",
    cells: int | Sequence[Cell] = 1,
    thinks: timedelta = MINUTE,
    works: timedelta = MINUTE,
    stays: timedelta = MINUTE,
    patience: timedelta = timedelta(),
    never_suspended: bool = False,
    size: str | None = None,
    gpu_type: str | None = None,
) -> AskedServer:
    """A server of a group's member, who runs cells; so long after the beginning."""
    return AskedServer(
        name=name,
        at=MONDAY + at,
        owner=owner or f"of-{name}",
        groups=tuple(group.split()),
        size=size,
        cards=None if part is None else Fraction(part),
        gpu_type=gpu_type,
        cells=(Cell(thinks, works),) * cells if isinstance(cells, int) else tuple(cells),
        stays=stays,
        patience=patience,
        never_suspended=never_suspended,
    )


def jobs(  # noqa: PLR0913 - a builder
    name: str,
    group: str,
    number: int,
    part: str = "1",
    works: timedelta = HOUR,
    *,
    at: timedelta = timedelta(),
    every: timedelta = timedelta(),
    owner: str = "",
) -> tuple[AskedJob, ...]:
    """So many jobs of a group's member, all at once or one after another."""
    return tuple(
        AskedJob(
            name=f"{name}-{each}",
            at=MONDAY + at + each * every,
            owner=owner or f"of-{name}",
            groups=tuple(group.split()),
            works=works,
            cards=Fraction(part),
            max_run=works,
        )
        for each in range(number)
    )


def scene(  # noqa: PLR0913 - a builder
    text: str,
    asked: Iterable[Asked],
    lasts: timedelta,
    *,
    on: tuple[GpuFacts, ...] = (),
    changes: Iterable[tuple[timedelta, str]] = (),
    manner: Manner | None = None,
    card_changes: Iterable[str] = (),
) -> Scenario:
    """A scenario of so long, by default on two H100."""
    return Scenario(
        document=document(TYPES + text),
        cards=on or cards(2),
        asked=tuple(asked),
        begins=MONDAY,
        ends=MONDAY + lasts,
        changes=tuple(NewDocument(MONDAY + at, document(TYPES + new)) for at, new in changes),
        manner=manner or Manner(),
        card_changes=read_changes(card_changes, on or cards(2), MONDAY),
    )


__all__ = ["H100", "HOUR", "L4", "MINUTE", "MONDAY", "a_server", "cards", "jobs", "scene"]
