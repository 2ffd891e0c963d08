"""How many events the ledger keeps: of too many the oldest go, some at a time.

Events are forgotten by age, too. But agents tell them, and owners cause them, and however many that
are within that time, the ledger must not fill the disk that it lies on. Who has the most gives up
theirs, so that nobody makes the ledger forget what others did: a node what its agent told, an owner
what the service noted of them. What concerns everybody, such as what admins switch, goes by age
alone. The calls here take a while: they are for another thread than the service's.
"""

from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Engine
from sublet_quota.wire.event_kinds import TOLD_BY_AGENTS, EventKind

from sublet_hub.ledger.fair_share import fair_share
from sublet_hub.ledger.tables import EVENTS

MOST_AT_ONCE: Final = 5000
"""How many events go in one step."""
_IN_ONE_CHANGE: Final = 1000
"""How many go in one transaction: other changes wait for its end, some 20 ms."""
_OF_NODES: Final = EVENTS.c.kind.in_(
    [kind.value for kind in (*TOLD_BY_AGENTS, EventKind.AGENT_CONNECTED, EventKind.AGENT_SILENT)]
)
_NUMBER: Final = sa.func.count()


def forget_surplus(engine: Engine, most: int) -> int:
    """Delete some events beyond ``most``, of those who have the most; return how many went.

    More may be left, unless none went.
    """
    with engine.connect() as connection:
        if connection.execute(sa.select(_NUMBER).select_from(EVENTS)).scalar_one() <= most:
            return 0
        going = _going(connection, most)
    for part in range(0, len(going), _IN_ONE_CHANGE):
        ids = going[part : part + _IN_ONE_CHANGE]
        with engine.begin() as connection:
            connection.execute(sa.delete(EVENTS).where(EVENTS.c.event_id.in_(ids)))
    return len(going)


def _going(connection: Connection, most: int) -> list[str]:
    """Return the ids of the events that go next."""
    whose = sa.case((_OF_NODES, EVENTS.c.node), else_=EVENTS.c.owner).label("whose")
    of_node = sa.case((_OF_NODES, 1), else_=0).label("of_node")
    found = sa.select(of_node, whose, _NUMBER).group_by("of_node", "whose")
    numbers = {(of, name): number for of, name, number in connection.execute(found)}
    by_age_alone = numbers.pop((0, None), 0)
    share = fair_share(numbers.values(), most - by_age_alone)
    going: list[str] = []
    for (of, name), number in sorted(numbers.items(), key=lambda each: each[1], reverse=True):
        surplus = min(number - share, MOST_AT_ONCE - len(going))
        if surplus > 0:
            theirs = _is_of(of_node=bool(of), name=name)
            oldest = sa.select(EVENTS.c.event_id).where(theirs)
            oldest = oldest.order_by(EVENTS.c.at, EVENTS.c.event_id).limit(surplus)
            going += connection.execute(oldest).scalars()
    return going


def _is_of(*, of_node: bool, name: str | None) -> sa.ColumnElement[Any]:
    if of_node:
        return sa.and_(_OF_NODES, EVENTS.c.node.is_not_distinct_from(name))
    return sa.and_(sa.not_(_OF_NODES), EVENTS.c.owner == name)
