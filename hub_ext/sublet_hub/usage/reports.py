"""Reports of what was held and used over a time, for admins: one at a time, beside the loop.

So are they written: as JSON, which of very many rows takes a while.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from sublet_quota.budgets.period import hour_of
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.holdings.card_policy import counted_type
from sublet_quota.wire.use import KindHours, UseKey, UseReport, UseRow

from sublet_hub.errors import BadRequestError
from sublet_hub.ledger.charged_hours import ChargedHourStore
from sublet_hub.ledger.database import Database
from sublet_hub.ledger.held_periods import HeldPeriod
from sublet_hub.usage.budgets.kind_hours import KNOWN_BY, KindSums, kind_hours
from sublet_hub.usage.held_hours import HeldHours, TooManySumsError, held_hours
from sublet_hub.usage.store import HourOfUse, UseStore

MOST_ROWS: Final = 50_000
_METERED: Final = frozenset({UseKey.OWNER, UseKey.DAY})
"""By what the meter's sums are stored."""
_MJ_PER_WH: Final = 3_600_000


class UseReports:
    """The reports, put together from periods held and from the meter's sums."""

    def __init__(
        self,
        database: Database,
        store: UseStore,
        charged: ChargedHourStore,
        document: Callable[[], QuotaDocument],
    ) -> None:
        """``document``: tells the one in force, by whose types hours are added up."""
        self._database = database
        self._charged = charged
        self._store = store
        self._document = document
        self._turn = asyncio.Lock()

    async def report(self, since: datetime, until: datetime, by: Sequence[UseKey]) -> bytes:
        """Return a report as JSON.

        With kinds it is of whole hours, all of which any part lies in the time asked for.
        ``BadRequestError`` for a too long one, and for kinds by what they are not known by;
        ``LedgerReadError``.
        """
        keys = tuple(key for key in by if key is not UseKey.KIND)
        of_kinds = len(keys) < len(by)
        if of_kinds:
            unknown = set(keys).difference(KNOWN_BY)
            if unknown:
                message = (
                    f"?by={min(unknown)} and ?by=kind do not go together: hours of each kind are "
                    f"known by {', '.join(KNOWN_BY)}"
                )
                raise BadRequestError(message)
            since = hour_of(since)
        async with self._turn:
            return await asyncio.to_thread(self._report, since, until, keys, of_kinds=of_kinds)

    def _report(
        self, since: datetime, until: datetime, by: tuple[UseKey, ...], *, of_kinds: bool
    ) -> bytes:
        try:
            held = held_hours(self._periods(since, until, by), since, until, by, MOST_ROWS)
            used = self._used(since, until, by) if _METERED.issuperset(by) else None
            kinds = self._kinds(since, until, by) if of_kinds else None
        except TooManySumsError as error:
            raise _too_long() from error
        keys = held.keys() | (used or {}).keys() | (kinds or {}).keys()
        if len(keys) > MOST_ROWS:
            raise _too_long()
        rows = [
            _row(
                dict(zip(by, key, strict=True)),
                held.get(key),
                None if used is None else used.get(key),
                None if kinds is None else kinds.get(key, KindSums()).hours(),
            )
            for key in keys
        ]
        rows.sort(key=lambda row: (-row.card_hours, sorted(row.of.items())))
        report = UseReport(since=since, until=until, rows=tuple(rows))
        return report.model_dump_json().encode()

    def _periods(
        self, since: datetime, until: datetime, by: tuple[UseKey, ...]
    ) -> Iterator[HeldPeriod]:
        periods = self._database.held_periods(since, until)
        if UseKey.TYPE not in by:
            return periods
        return _by_types_of(self._document(), periods)

    def _kinds(
        self, since: datetime, until: datetime, by: tuple[UseKey, ...]
    ) -> dict[tuple[str, ...], KindSums]:
        parts = self._charged.since(since, until)
        return kind_hours(parts, self._document(), by, MOST_ROWS)

    def _used(
        self, since: datetime, until: datetime, by: tuple[UseKey, ...]
    ) -> dict[tuple[str, ...], HourOfUse]:
        sums: defaultdict[tuple[str, ...], HourOfUse] = defaultdict(lambda: HourOfUse("", since))
        for part in self._store.use_between(since, until):
            values = {UseKey.OWNER: part.owner, UseKey.DAY: _day(part.hour)}
            key = tuple(values[each] for each in by)
            sums[key] = sums[key].plus(part)
            if len(sums) > MOST_ROWS:
                raise TooManySumsError
        return dict(sums)


def _by_types_of(document: QuotaDocument, periods: Iterator[HeldPeriod]) -> Iterator[HeldPeriod]:
    """Yield periods with the type that the document gives their cards in place of the model."""
    types: dict[str, str] = {}
    for period in periods:
        model = period.gpu_type
        if model is None:
            yield period
            continue
        if model not in types:
            types[model] = counted_type(document, model)
        yield replace(period, gpu_type=types[model])


def _too_long() -> BadRequestError:
    message = f"there are more than {MOST_ROWS} rows: ask for less time, or fewer ?by="
    return BadRequestError(message)


def _day(at: datetime) -> str:
    return at.astimezone(UTC).date().isoformat()


def _row(
    of: dict[UseKey, str],
    held: HeldHours | None,
    used: HourOfUse | None,
    kinds: KindHours | None,
) -> UseRow:
    found = HeldHours() if held is None else held
    is_metered = used is not None and used.unmetered_s == 0
    return UseRow(
        of={key.value: value for key, value in of.items()},
        slice_hours=round(found.slices, 4),
        card_hours=round(found.cards, 4),
        memory_gib_hours=round(found.memory_gib, 4),
        busy_hours=None if used is None else round(used.busy_s / 3600, 4),
        lent_hours=None if used is None else round(used.lent_s / 3600, 4),
        energy_wh=round(used.energy_mj / _MJ_PER_WH, 3) if used and is_metered else None,
        kinds=kinds,
    )
