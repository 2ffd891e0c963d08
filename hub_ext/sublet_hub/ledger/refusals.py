"""The ledger's table of refusals: requests for slices and jobs that were decided against.

Equal ones of an owner within a day are one row. An owner has so many rows at most, and where all
have too many together, those go first who have the most: nobody makes others' be forgotten, and
the table does not fill the disk. The calls here are for another thread than the service's.
"""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sublet_quota.wire.schema import MOST_COUNT

from sublet_hub.ledger.database import Database
from sublet_hub.ledger.fair_share import fair_share
from sublet_hub.ledger.job_order import Place
from sublet_hub.ledger.reading import read_rows
from sublet_hub.ledger.tables import REFUSALS
from sublet_hub.ledger.text import storable, storable_row

SAME_WITHIN: Final = timedelta(days=1)
"""For how long equal refusals are added to the first of them."""
MOST_OF_OWNER: Final = 200
MOST_IN_ALL: Final = 10_000
"""How many rows there are at most; each takes up to 8 KiB, and mostly less than one."""
_AT_ONCE: Final = 500
_C: Final = REFUSALS.c
_NUMBER: Final = sa.func.count()


@dataclass(frozen=True, slots=True)
class RefusalRecord:
    """Equal refusals of one owner's, with what was last told of them."""

    refusal_id: str
    alike: str
    """The same text for refusals that are equal, and another for all others."""
    owner: str
    holder: str
    groups: tuple[str, ...]
    size: str | None
    memory_mib: int | None
    compute_milli: int | None
    gpus: int | None
    gpu_type: str | None
    pool: str | None
    code: str
    numbers: dict[str, int]
    message: str
    times: int
    first_at: datetime
    last_at: datetime

    def plus(self, later: "RefusalRecord") -> "RefusalRecord":
        """Return this one with another of the same kind that came later."""
        return replace(
            self,
            numbers=later.numbers,
            message=later.message,
            times=min(self.times + later.times, MOST_COUNT),
            last_at=max(self.last_at, later.last_at),
        )


@dataclass(frozen=True, slots=True)
class RefusalQuery:
    """Which refusals are meant; ``None`` for any."""

    owner: str | None = None
    code: str | None = None
    since: datetime | None = None
    """Only such as were told again since then."""
    until: datetime | None = None
    """Only such as were told first before then."""


@dataclass(frozen=True, slots=True)
class CodeSum:
    """How often one code was told, to how many, and when last."""

    code: str
    times: int
    owners: int
    last_at: datetime


@dataclass(frozen=True, slots=True)
class AskerSum:
    """How often one owner was told one code, and the hub's groups that they had then."""

    owner: str
    groups: tuple[str, ...]
    code: str
    times: int
    last_at: datetime


class RefusalStore:
    """The table of refusals."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, refusals: Sequence[RefusalRecord]) -> None:
        """Add refusals to those that are alike, or as new ones, and forget what is too much.

        ``LedgerWriteError``: then none of them was added.
        """
        with self._database.writing() as connection:
            for refusal in refusals:
                _add(connection, refusal)
            for owner in {storable(refusal.owner) for refusal in refusals}:
                _delete(connection, _beyond(connection, owner, MOST_OF_OWNER))
            _delete(connection, _surplus(connection, MOST_IN_ALL))

    def newest(
        self, query: RefusalQuery, before: Place | None, most: int
    ) -> tuple[RefusalRecord, ...]:
        """Return the refusals before a place that were told last, these first.

        ``LedgerReadError``.
        """
        order = (_C.last_at.desc(), _C.refusal_id.desc())
        found = sa.select(REFUSALS).where(*_meant(query)).order_by(*order).limit(most)
        if before is not None:
            at, refusal_id = before
            earlier = sa.or_(_C.last_at < at, _C.refusal_id < refusal_id)
            found = found.where(_C.last_at <= at, earlier)
        with self._database.reading() as connection:
            return read_rows(connection, found, REFUSALS, _record_of_row, self._database.unread)

    def sums(self, query: RefusalQuery) -> tuple[CodeSum, ...]:
        """Return how often each code was told, the most frequent first. ``LedgerReadError``."""
        times = sa.func.sum(_C.times)
        owners = sa.func.count(sa.distinct(_C.owner))
        last = sa.func.max(_C.last_at, type_=_C.last_at.type)
        found = sa.select(_C.code, times, owners, last).where(*_meant(query)).group_by(_C.code)
        with self._database.reading() as connection:
            rows = connection.execute(found.order_by(times.desc(), _C.code)).all()
        return tuple(CodeSum(code, int(number), of, at) for code, number, of, at in rows)

    def of_askers(self, query: RefusalQuery) -> tuple[AskerSum, ...]:
        """Return how often each code was told to whom. ``LedgerReadError``."""
        columns = _C.owner, _C.groups, _C.code, _C.times, _C.last_at
        with self._database.reading() as connection:
            rows = connection.execute(sa.select(*columns).where(*_meant(query))).all()
        return tuple(AskerSum(owner, tuple(groups), *others) for owner, groups, *others in rows)

    def forget_before(self, cutoff: datetime) -> None:
        """Delete what was told last before. ``LedgerWriteError``."""
        with self._database.writing() as connection:
            connection.execute(sa.delete(REFUSALS).where(_C.last_at < cutoff))


def _meant(query: RefusalQuery) -> list[sa.ColumnElement[bool]]:
    wanted = []
    if query.owner is not None:
        wanted.append(_C.owner == query.owner)
    if query.code is not None:
        wanted.append(_C.code == query.code)
    if query.since is not None:
        wanted.append(_C.last_at > query.since)
    if query.until is not None:
        wanted.append(_C.first_at < query.until)
    return wanted


def _add(connection: Connection, refusal: RefusalRecord) -> None:
    row = _row_of(refusal)
    same = sa.select(_C.refusal_id, _C.times).where(
        _C.alike == row["alike"], _C.first_at > refusal.last_at - SAME_WITHIN
    )
    known = connection.execute(same.order_by(_C.first_at.desc()).limit(1)).first()
    if known is None:
        connection.execute(sa.insert(REFUSALS), row)
        return
    later = {name: row[name] for name in ("numbers", "message", "last_at")}
    later["times"] = min(known.times + refusal.times, MOST_COUNT)
    connection.execute(sa.update(REFUSALS).where(_C.refusal_id == known.refusal_id).values(later))


def _beyond(connection: Connection, owner: str, most: int) -> list[str]:
    """Return the ids of an owner's oldest rows, but for so many."""
    newest = sa.select(_C.refusal_id).where(_C.owner == owner)
    newest = newest.order_by(_C.last_at.desc(), _C.refusal_id.desc())
    return list(connection.execute(newest.offset(most).limit(_AT_ONCE)).scalars())


def _surplus(connection: Connection, most: int) -> list[str]:
    """Return the ids of some rows that go, of the owners who have the most."""
    if connection.execute(sa.select(_NUMBER).select_from(REFUSALS)).scalar_one() <= most:
        return []
    counted = sa.select(_C.owner, _NUMBER).group_by(_C.owner)
    numbers = {row[0]: row[1] for row in connection.execute(counted)}
    share = fair_share(numbers.values(), most)
    going: list[str] = []
    for owner, number in sorted(numbers.items(), key=lambda each: each[1], reverse=True):
        if number > share and len(going) < _AT_ONCE:
            going += _beyond(connection, owner, share)
    return going[:_AT_ONCE]


def _delete(connection: Connection, ids: Collection[str]) -> None:
    if ids:
        connection.execute(sa.delete(REFUSALS).where(_C.refusal_id.in_(ids)))


def _row_of(refusal: RefusalRecord) -> dict[str, Any]:
    row = storable_row(asdict(refusal))
    return {**row, "groups": [storable(each) for each in refusal.groups]}


def _record_of_row(row: Any) -> RefusalRecord:
    values = {name: row[name] for name in RefusalRecord.__slots__}
    return RefusalRecord(
        **{**values, "groups": tuple(row["groups"]), "numbers": dict(row["numbers"])}
    )
