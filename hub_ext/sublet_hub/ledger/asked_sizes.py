"""Which sizes people ask for: how many persons did lately, granted or refused.

Persons are counted, not requests: nobody who asks a thousand times moves others' slices about.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sublet_quota.amounts.node_amounts import NodeAmount, NodeNeed
from sublet_quota.holdings.node_rooms import AskedBeside
from sublet_quota.residency.snapshot import Holder

from sublet_hub.ledger.database import Database
from sublet_hub.ledger.recorded_tables import RECORDED_ASKS
from sublet_hub.ledger.tables import HELD_PERIODS, REFUSALS

_HELD = HELD_PERIODS.c
_REFUSED = REFUSALS.c
_ASKED = RECORDED_ASKS.c
_MOST_USUAL: Final = 32
"""Each decision looks at all of them."""


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

    def beside_since(self, begin: datetime) -> Mapping[AskedBeside, int]:
        """Return the same with what was asked of nodes besides, of that the most usual.

        Nothing: it is not known of anybody. A size of which it is not known takes nothing.
        ``LedgerReadError``.
        """
        needs = _ASKED.takes_cpu_milli, _ASKED.takes_memory_mib, _ASKED.takes_of_cap_milli
        persons = sa.func.count(sa.distinct(_ASKED.owner))
        known = (column.is_not(None) for column in (_ASKED.size, *needs))
        found = (
            sa.select(_ASKED.size, *needs, persons)
            .where(_ASKED.last_at > begin, *known)
            .group_by(_ASKED.size, *needs)
            .order_by(persons.desc(), _ASKED.size, *needs)
            .limit(_MOST_USUAL)
        )
        with self._database.reading() as connection:
            rows = connection.execute(found).all()
        beside = {
            AskedBeside(size, 1, NodeNeed(NodeAmount(cpu, memory), of_cap)): int(number)
            for size, cpu, memory, of_cap, number in rows
        }
        if not beside:
            return {}
        told = {one.size for one in beside}
        others = {
            AskedBeside(size): number
            for size, number in self.since(begin).items()
            if size not in told
        }
        return {**beside, **others}
