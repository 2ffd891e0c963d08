"""The ledger's table of the quota document's revisions. The newest is the one in force.

The newest 1,000 are kept, within 64 MiB of text; the one in force always.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sublet_quota.wire.quota_revisions import MOST_REVISIONS

from sublet_hub.ledger.database import Database
from sublet_hub.ledger.reading import read_rows
from sublet_hub.ledger.recorded_tables import RECORDED_ASKS
from sublet_hub.ledger.tables import CHARGED_HOURS, HELD_PERIODS, JOBS, QUOTA_REVISIONS, SLICES
from sublet_hub.ledger.text import storable, within_bytes

MOST_BYTES: Final = 64 * 2**20
"""What all revisions' texts may take together; the newest is kept however large it is."""
_MOST_AUTHOR_BYTES: Final = 255
_C: Final = QUOTA_REVISIONS.c
_PAYERS: Final = (
    SLICES.c.group,
    HELD_PERIODS.c.group,
    JOBS.c.group,
    CHARGED_HOURS.c.payer,
    RECORDED_ASKS.c.group,
)
_ABOUT: Final = tuple(column for column in _C if column is not _C.text)


@dataclass(frozen=True, slots=True)
class QuotaRevision:
    """Who put a quota document in force, when and why."""

    revision: int
    author: str
    made_at: datetime
    reason: str
    keys_changed: int
    role: str | None = None
    """In which role its author made it; ``None``: an admin's, or the service itself."""
    groups: tuple[str, ...] = ()
    """The groups within which an admin of groups made it."""


@dataclass(frozen=True, slots=True)
class WrittenRevision:
    """A revision with the document, as it was written."""

    about: QuotaRevision
    text: str


class QuotaRevisionStore:
    """The table of revisions."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, made: WrittenRevision) -> None:
        """Add the newest revision, and forget what is too much.

        ``LedgerWriteError``: then nothing was added; also where there is one of this number.
        """
        with self._database.writing() as connection:
            connection.execute(sa.insert(QUOTA_REVISIONS), _row_of(made))
            _forget_surplus(connection)

    def newest(self) -> WrittenRevision | None:
        """Return the revision in force; ``None``: there is none yet. ``LedgerReadError``."""
        found = sa.select(QUOTA_REVISIONS).order_by(_C.revision.desc()).limit(1)
        with self._database.reading() as connection:
            row = connection.execute(found).mappings().first()
        return None if row is None else _written_of(row)

    def with_the_one_before(
        self, revision: int
    ) -> tuple[WrittenRevision, WrittenRevision | None] | None:
        """Return a revision, and the one before it as far as that is kept. ``LedgerReadError``."""
        found = sa.select(QUOTA_REVISIONS).where(_C.revision <= revision)
        with self._database.reading() as connection:
            rows = connection.execute(found.order_by(_C.revision.desc()).limit(2)).mappings().all()
        read = [_written_of(row) for row in rows]
        if not read or read[0].about.revision != revision:
            return None
        return read[0], read[1] if len(read) > 1 else None

    def listed(self, after: int = 0) -> tuple[QuotaRevision, ...]:
        """Return the revisions beyond one, the newest first. ``LedgerReadError``."""
        found = sa.select(*_ABOUT).where(_C.revision > after).order_by(_C.revision.desc())
        with self._database.reading() as connection:
            return read_rows(connection, found, QUOTA_REVISIONS, _about_of, self._database.unread)

    def bytes_of_role(self, role: str, since: datetime) -> int:
        """Return how long the texts of a role's revisions since then are. ``LedgerReadError``."""
        size = sa.func.coalesce(sa.func.sum(_C.size), 0)
        found = sa.select(size).where(_C.role == role, _C.made_at > since)
        with self._database.reading() as connection:
            return int(connection.execute(found).scalar_one())

    def charged(self, groups: Collection[str]) -> frozenset[str]:
        """Return those of some groups to which anything was charged. ``LedgerReadError``."""
        if not groups:
            return frozenset()
        named = [sa.select(payer).where(payer.in_(sorted(groups))) for payer in _PAYERS]
        with self._database.reading() as connection:
            return frozenset(connection.execute(sa.union(*named)).scalars())


def _forget_surplus(connection: Connection) -> None:
    rows = connection.execute(sa.select(_C.revision, _C.size).order_by(_C.revision.desc())).all()
    kept_bytes, going = 0, []
    for place, (revision, size) in enumerate(rows):
        kept_bytes += size
        if place and (place >= MOST_REVISIONS or kept_bytes > MOST_BYTES):
            going.append(revision)
    if going:
        # None that is newer than one that goes is kept: of what is left there are no gaps.
        connection.execute(sa.delete(QUOTA_REVISIONS).where(_C.revision <= max(going)))


def _row_of(made: WrittenRevision) -> dict[str, Any]:
    about, text = made.about, made.text.encode()
    return {
        "revision": about.revision,
        "text": text,
        "size": len(text),
        "author": within_bytes(storable(about.author), _MOST_AUTHOR_BYTES),
        "made_at": about.made_at,
        "reason": storable(about.reason),
        "keys_changed": about.keys_changed,
        "role": about.role,
        "groups": [storable(each) for each in about.groups] or None,
    }


def _about_of(row: Any) -> QuotaRevision:
    named = {name: row[name] for name in QuotaRevision.__slots__}
    return QuotaRevision(**{**named, "groups": tuple(row["groups"] or ())})


def _written_of(row: Any) -> WrittenRevision:
    return WrittenRevision(_about_of(row), bytes(row["text"]).decode())
