"""The tables of budgets: what was held in each hour of UTC by kind, and what was told of budgets.

A row is of one payer, owner, card's model, kind and right. What is added and until when all is
counted become true together, so that nothing is counted twice after a restart, and nothing left
out. Amounts are exact integers: one card for a year is a hundred-thousandth of what a column holds.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection
from sublet_quota.budgets.charge import HeldKind, HeldTime
from sublet_quota.budgets.spending import ChargedHour
from sublet_quota.budgets.standing import Whose
from sublet_quota.names.ids import GroupName, UserName
from sublet_quota.reasons.budget_levels import BudgetNews

from sublet_hub.ledger.database import Database
from sublet_hub.ledger.tables import BUDGETS_TOLD, CHARGED_HOURS, CHARGED_UNTIL

_C: Final = CHARGED_HOURS.c
_KEY: Final = ("hour", "payer", "owner", "model", "kind", "entitled")
_SUMS: Final = ("held_us", "card_us", "paid_us")
_MARK: Final = 0


@dataclass(frozen=True, slots=True)
class ToldOfBudget:
    """What was told of a budget, when that was last, and of how many hours it was then."""

    whose: Whose
    news: BudgetNews
    at: datetime
    hours: Fraction


class ChargedHourStore:
    """The tables of budgets.

    What is added may be written in another thread; all else is for the service's one.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, parts: Iterable[ChargedHour], until: datetime) -> None:
        """Add to what is stored of the same hours; all is counted ``until`` then.

        No two parts are of one row. ``LedgerWriteError``: then nothing was added.
        """
        rows = [_row_of(part) for part in parts]
        with self._database.writing() as connection:
            _add(connection, rows)
            connection.execute(sa.delete(CHARGED_UNTIL))
            connection.execute(sa.insert(CHARGED_UNTIL), [{"mark": _MARK, "until": until}])

    def until(self) -> datetime | None:
        """Return until when all is counted; ``None``: nothing is yet. ``LedgerReadError``."""
        with self._database.reading() as connection:
            return connection.execute(sa.select(CHARGED_UNTIL.c.until)).scalar()

    def since(
        self, hour: datetime, until: datetime | None = None, owner: str | None = None
    ) -> Iterator[ChargedHour]:
        """Go through what was held from an hour on, to one that is not in it. ``LedgerReadError``.

        They come in the order of their hours, which alone are told apart. ``owner``: only theirs.
        """
        found = sa.select(CHARGED_HOURS).where(_C.hour >= hour)
        if until is not None:
            found = found.where(_C.hour < until)
        if owner is not None:
            found = found.where(_C.owner == owner)
        found = found.order_by(_C.hour)
        with self._database.reading() as connection:
            rows = connection.execution_options(yield_per=1000).execute(found).mappings()
            for row in rows:
                yield _part_of(row)

    def forget_before(self, hour: datetime) -> None:
        """Delete the hours before one. ``LedgerWriteError``."""
        with self._database.writing() as connection:
            connection.execute(sa.delete(CHARGED_HOURS).where(_C.hour < hour))

    def told(self) -> tuple[ToldOfBudget, ...]:
        """Return what was told of budgets last. ``LedgerReadError``."""
        with self._database.reading() as connection:
            rows = connection.execute(sa.select(BUDGETS_TOLD)).mappings().all()
        return tuple(_told_of(row) for row in rows if row["news"] in set(BudgetNews))

    def tell(self, told: Iterable[ToldOfBudget], gone: Iterable[Whose] = ()) -> None:
        """Keep what is told of budgets now, and nothing of those that are gone.

        ``LedgerWriteError``.
        """
        rows = [_row_of_told(each) for each in told]
        of = BUDGETS_TOLD.c
        with self._database.writing() as connection:
            for payer, owner in gone:
                mine = of.payer == payer, of.owner == (owner or "")
                connection.execute(sa.delete(BUDGETS_TOLD).where(*mine))
            for row in rows:
                same = (of[name] == row[name] for name in ("payer", "owner", "news"))
                connection.execute(sa.delete(BUDGETS_TOLD).where(*same))
            if rows:
                connection.execute(sa.insert(BUDGETS_TOLD), rows)


def _add(connection: Connection, rows: list[dict[str, Any]]) -> None:
    """Add rows to what is there; both databases know how to do that in one step."""
    if not rows:
        return
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    new = insert(CHARGED_HOURS)
    more = {name: _C[name] + new.excluded[name] for name in _SUMS}
    connection.execute(new.on_conflict_do_update(index_elements=_KEY, set_=more), rows)


def _row_of_told(told: ToldOfBudget) -> dict[str, Any]:
    payer, owner = told.whose
    return {
        "payer": payer,
        "owner": owner or "",
        "news": told.news.value,
        "at": told.at,
        "hours": str(told.hours),
    }


def _told_of(row: sa.RowMapping) -> ToldOfBudget:
    whose = GroupName(row["payer"]), UserName(row["owner"]) if row["owner"] else None
    return ToldOfBudget(whose, BudgetNews(row["news"]), row["at"], Fraction(row["hours"]))


def _row_of(part: ChargedHour) -> dict[str, Any]:
    time = part.time
    return {
        "hour": part.hour,
        "payer": part.payer or "",
        "owner": part.owner,
        "model": part.model,
        "kind": time.kind.value,
        "entitled": time.entitled,
        "held_us": time.held_us,
        "card_us": time.card_us,
        "paid_us": time.paid_us,
    }


def _part_of(row: sa.RowMapping) -> ChargedHour:
    kind = HeldKind(row["kind"])
    time = HeldTime(kind, row["entitled"], row["held_us"], row["card_us"], row["paid_us"])
    payer = GroupName(row["payer"]) if row["payer"] else None
    return ChargedHour(row["hour"], payer, UserName(row["owner"]), row["model"], time)
