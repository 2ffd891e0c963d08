"""How long which size was held: a row for each time in which nothing of a slice's size changed.

A slice's own row says what it is now; what it was before a resize, a move to another card or a
change of who pays stays here as it was. Kept as long as released slices are.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sublet_quota.amounts.gpu_amounts import GpuAmount
from sublet_quota.amounts.gpu_kind import GpuKind
from sublet_quota.holdings.gpu_load import cards_on

from sublet_hub.ledger.records import Change, SliceRecord
from sublet_hub.ledger.tables import HELD_PERIODS

_OPEN = HELD_PERIODS.c.ended_at.is_(None)
_SIZE = (HELD_PERIODS.c.usable_mib, HELD_PERIODS.c.memory_mib, HELD_PERIODS.c.compute_milli)


@dataclass(frozen=True, slots=True)
class HeldPeriod:
    """A time in which a slice was of one size, on one card, at one account's expense."""

    slice_id: str
    began_at: datetime
    ended_at: datetime | None
    """``None``: it goes on."""
    holder: str
    owner: str
    group: str | None
    """Who paid; ``None``: nobody's group, or several that nobody chose from."""
    job_id: str | None
    pool: str
    size: str | None
    node: str | None
    gpu_id: str
    gpu_type: str | None
    """``None``: of a card that was gone before such periods were kept."""
    usable_mib: int | None
    """How much memory the card gives away."""
    memory_mib: int
    compute_milli: int
    off_s: float = 0.0
    """For how many seconds of it the slice was lent, paused or suspended."""
    hardware_failed: bool = False
    """Whether it was an attempt that came to nothing as its card or node failed."""

    @property
    def cards(self) -> Fraction:
        """Which part of a card was held; of one that is not known any more, of its compute."""
        return _cards(self.usable_mib, self.memory_mib, self.compute_milli)


@dataclass(frozen=True, slots=True)
class HeldStep:
    """A period that begins, or ends."""

    at: datetime
    begins: bool
    owner: str
    group: str | None
    gpu_type: str
    cards: Fraction
    """Which part of a card is held from then on, or no more."""


def begun_by(
    change: Change,
    before: Callable[[SliceRecord], SliceRecord | None],
    now: datetime,
) -> tuple[HeldPeriod, ...]:
    """Return the periods that begin with a change: of new slices, and of such as became others.

    ``before``: a slice as it was until now.
    """
    begun = []
    for record in change.slices:
        known = before(record)
        if known is None or _held(known) != _held(record):
            at = record.created_at if known is None else now
            begun.append(_period(record, at))
    return tuple(begun)


def _held(record: SliceRecord) -> tuple[object, ...]:
    """Return all by which one period differs from the next."""
    amount = record.memory_mib, record.compute_milli
    return record.gpu, record.pool, record.size, record.owner, record.group, *amount


def _period(record: SliceRecord, at: datetime) -> HeldPeriod:
    gpu = record.gpu
    return HeldPeriod(
        slice_id=record.slice_id,
        began_at=at,
        ended_at=None,
        holder=record.holder.value,
        owner=record.owner,
        group=record.group,
        job_id=record.job_id,
        pool=record.pool,
        size=record.size,
        node=gpu.node,
        gpu_id=gpu.gpu_id,
        gpu_type=gpu.type,
        usable_mib=gpu.memory_mib - gpu.margin_mib,
        memory_mib=record.memory_mib,
        compute_milli=record.compute_milli,
    )


def write_periods(
    connection: Connection, change: Change, begun: tuple[HeldPeriod, ...], now: datetime
) -> None:
    """End what a change ends, and begin what begins, in the change's own transaction."""
    others = [period.slice_id for period in begun]
    ended = [*change.released, *others]
    if ended:
        of_these = HELD_PERIODS.c.slice_id.in_(ended)
        # One that began at this moment lasted no time: two changes at once are one.
        connection.execute(sa.delete(HELD_PERIODS).where(of_these, HELD_PERIODS.c.began_at >= now))
        connection.execute(
            sa.update(HELD_PERIODS).where(of_these, _OPEN).values(ended_at=now),
        )
    _note_what_is_not_charged(connection, change)
    if begun:
        rows = [_row(period) for period in begun if period.slice_id not in change.released]
        if rows:
            connection.execute(sa.insert(HELD_PERIODS), rows)


def _note_what_is_not_charged(connection: Connection, change: Change) -> None:
    columns = HELD_PERIODS.c
    for off in change.off:
        seconds = (off.ended_at - off.began_at).total_seconds()
        # A slice that became another in between has a period of its own for each.
        last = sa.select(sa.func.max(columns.began_at)).where(columns.slice_id == off.slice_id)
        of_it = columns.slice_id == off.slice_id, columns.began_at == last.scalar_subquery()
        more = sa.update(HELD_PERIODS).where(*of_it).values(off_s=columns.off_s + seconds)
        connection.execute(more)
    if change.failed_with_hardware:
        of_these = columns.slice_id.in_(change.failed_with_hardware)
        connection.execute(sa.update(HELD_PERIODS).where(of_these).values(hardware_failed=True))


def _row(period: HeldPeriod) -> dict[str, Any]:
    return {name: getattr(period, name) for name in HeldPeriod.__slots__}


def read_periods(
    connection: Connection, since: datetime, until: datetime, owner: str | None = None
) -> Iterator[HeldPeriod]:
    """Go through the periods of which some part lies between two times; ``owner``: only theirs."""
    columns = HELD_PERIODS.c
    found = sa.select(HELD_PERIODS).where(
        columns.began_at < until, sa.or_(_OPEN, columns.ended_at > since)
    )
    if owner is not None:
        found = found.where(columns.owner == owner)
    rows = connection.execution_options(yield_per=1000).execute(found).mappings()
    for row in rows:
        yield HeldPeriod(**{name: row[name] for name in HeldPeriod.__slots__})


def read_steps(connection: Connection, since: datetime, until: datetime) -> Iterator[HeldStep]:
    """Go through the begins and ends of periods that touch a time, in order.

    A period that began before is told with its begin; the end of one that goes on is not told.
    The database puts them in order: so nobody has to hold them all at once.
    """
    columns = HELD_PERIODS.c
    lasted = sa.or_(_OPEN, sa.and_(columns.ended_at > since, columns.ended_at > columns.began_at))
    meant = columns.began_at < until, columns.gpu_type.is_not(None), lasted
    told = (columns.owner, columns.group, columns.gpu_type, *_SIZE)
    begins = sa.select(columns.began_at.label("at"), sa.true().label("begins"), *told).where(*meant)
    ends = sa.select(columns.ended_at, sa.false(), *told).where(*meant, columns.ended_at < until)
    both = sa.union_all(begins, ends).order_by("at")
    cards: dict[tuple[int | None, int, int], Fraction] = {}
    for at, does_begin, owner, group, gpu_type, *size in connection.execution_options(
        yield_per=1000
    ).execute(both):
        key = (size[0], size[1], size[2])
        if key not in cards:
            cards[key] = _cards(*key)
        yield HeldStep(at, bool(does_begin), owner, group, gpu_type, cards[key])


def _cards(usable_mib: int | None, memory_mib: int, compute_milli: int) -> Fraction:
    kind = GpuKind("", usable_mib or 0, 0)
    return cards_on(GpuAmount(memory_mib, compute_milli), kind)


def forget_periods(connection: Connection, cutoff: datetime) -> None:
    """Delete what ended before."""
    connection.execute(sa.delete(HELD_PERIODS).where(HELD_PERIODS.c.ended_at < cutoff))
