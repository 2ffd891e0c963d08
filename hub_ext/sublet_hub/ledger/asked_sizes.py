"""Which sizes people ask for: how many persons did lately, granted or refused.

Persons are counted, not requests: nobody who asks a thousand times moves others' slices about.
"""

from collections.abc import Mapping
from datetime import datetime

import sqlalchemy as sa
from sublet_quota.residency.snapshot import Holder

from sublet_hub.ledger.database import Database
from sublet_hub.ledger.tables import HELD_PERIODS, REFUSALS

_HELD = HELD_PERIODS.c
_REFUSED = REFUSALS.c


class AskedSizes:
    """What the ledger says of the sizes that notebooks asked for."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def since(self, begin: datetime) -> Mapping[str, int]:
        """Return how many persons asked for each size since then. ``LedgerReadError``.

        A slice that was handed out before and was still held counts, too.
        """
        notebook = Holder.NOTEBOOK.value
        still = sa.or_(_HELD.ended_at.is_(None), _HELD.ended_at > begin)
        held = sa.select(_HELD.size, _HELD.owner).where(still, _HELD.holder == notebook)
        refused = sa.select(_REFUSED.size, _REFUSED.owner).where(
            _REFUSED.last_at > begin, _REFUSED.holder == notebook
        )
        asked = sa.union(held, refused).subquery()
        persons = sa.func.count(sa.distinct(asked.c.owner))
        found = sa.select(asked.c.size, persons).where(asked.c.size.is_not(None))
        with self._database.reading() as connection:
            rows = connection.execute(found.group_by(asked.c.size)).all()
        return {size: int(number) for size, number in rows}
