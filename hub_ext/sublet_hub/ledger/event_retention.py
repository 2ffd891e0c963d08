"""How many events the ledger keeps: of too many the oldest go, some at a time.

Events are forgotten by age, too. But agents tell them, and however many they tell within that time,
the ledger must not fill the disk that it lies on.
"""

from typing import Final

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from sublet_hub.ledger.tables import EVENTS

MOST_AT_ONCE: Final = 5000
"""How many events go in one step, which holds the service up for a fifth of a second."""
EVENT_BYTES: Final = 1024
"""What an event takes of the disk with its place in the indices, in bytes: twice the usual."""


def forget_surplus(engine: Engine, most: int) -> int:
    """Delete the oldest events beyond ``most``; return how many went. More may be left."""
    number = sa.select(sa.func.count()).select_from(EVENTS)
    oldest = sa.select(EVENTS.c.event_id).order_by(EVENTS.c.at, EVENTS.c.event_id)
    with engine.begin() as connection:
        surplus = min(connection.execute(number).scalar_one() - most, MOST_AT_ONCE)
        if surplus <= 0:
            return 0
        going = oldest.limit(surplus).scalar_subquery()
        connection.execute(sa.delete(EVENTS).where(EVENTS.c.event_id.in_(going)))
    return surplus
