"""What was held by kind, added up by the database: a report reads sums, not each hour's rows.

Amounts are exact integers, as they are stored.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa
from sublet_quota.budgets.charge import HeldKind, HeldTime
from sublet_quota.budgets.spending import ChargedHour
from sublet_quota.names.ids import GroupName, UserName

from sublet_hub.ledger.database import Database
from sublet_hub.ledger.tables import CHARGED_HOURS

_C: Final = CHARGED_HOURS.c
_NOBODY: Final = UserName("")


@dataclass(frozen=True, slots=True)
class LentHour:
    """What of one holder's hour was lent, and what guests paid for it, in card-microseconds."""

    payer: GroupName | None
    owner: UserName
    model: str
    card_us: int
    paid_us: int


class ChargedSums:
    """The sums of a time. ``LedgerReadError``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def held(
        self, begin: datetime, end: datetime, owner: str | None, *, by_owner: bool
    ) -> Iterator[ChargedHour]:
        """Yield what was held by payer, model, kind and right, as if all in one hour at ``begin``.

        What guests paid is not in it: that is set against each hour by itself (``lent``).
        ``owner``: only theirs. Without ``by_owner`` all owners are one without a name.
        """
        keys = [_C.payer, _C.model, _C.kind, _C.entitled, *([_C.owner] if by_owner else [])]
        sums = sa.func.sum(_C.held_us).label("held_us"), sa.func.sum(_C.card_us).label("card_us")
        found = sa.select(*keys, *sums).where(*_within(begin, end, owner)).group_by(*keys)
        for row in self._rows(found):
            kind, amounts = HeldKind(row["kind"]), (int(row["held_us"]), int(row["card_us"]))
            name = UserName(row["owner"]) if by_owner else _NOBODY
            time = HeldTime(kind, row["entitled"], *amounts)
            yield ChargedHour(begin, _payer(row), name, row["model"], time)

    def lent(self, begin: datetime, end: datetime, owner: str | None) -> Iterator[LentHour]:
        """Yield each holder's hour for which guests paid; ``owner``: only theirs."""
        keys = (_C.hour, _C.payer, _C.owner, _C.model)
        card_us, paid_us = sa.func.sum(_C.card_us), sa.func.sum(_C.paid_us)
        found = (
            sa.select(*keys, card_us.label("card_us"), paid_us.label("paid_us"))
            .where(*_within(begin, end, owner), _C.kind == HeldKind.LENT.value)
            .group_by(*keys)
            .having(paid_us > 0)
        )
        for row in self._rows(found):
            amounts = int(row["card_us"]), int(row["paid_us"])
            yield LentHour(_payer(row), UserName(row["owner"]), row["model"], *amounts)

    def _rows(self, found: sa.Select[Any]) -> Iterator[sa.RowMapping]:
        with self._database.reading() as connection:
            yield from connection.execution_options(yield_per=1000).execute(found).mappings()


def _within(begin: datetime, end: datetime, owner: str | None) -> list[sa.ColumnElement[bool]]:
    wanted = [_C.hour >= begin, _C.hour < end]
    return wanted if owner is None else [*wanted, _C.owner == owner]


def _payer(row: sa.RowMapping) -> GroupName | None:
    return GroupName(row["payer"]) if row["payer"] else None
