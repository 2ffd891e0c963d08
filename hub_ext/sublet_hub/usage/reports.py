"""Reports of what was held and used over a time: one at a time, beside the loop.

So are they written: as JSON or CSV, which of very many rows takes a while. What one user asks for
is read of the ledger by their name alone.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from sublet_quota.budgets.period import hour_of
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.holdings.card_policy import counted_type
from sublet_quota.wire.use import CarbonFactors, KindHours, UseKey, UseReport, UseRow

from sublet_hub.errors import BadRequestError
from sublet_hub.ledger.charged_sums import ChargedSums
from sublet_hub.ledger.database import Database
from sublet_hub.ledger.held_periods import HeldPeriod
from sublet_hub.settings import CarbonSettings
from sublet_hub.usage.buckets import TIME_KEYS, Span, label_of, slots_of
from sublet_hub.usage.budgets.kind_hours import KNOWN_BY, KindSums, SumsAsked, kind_hours
from sublet_hub.usage.csv_table import csv_table
from sublet_hub.usage.held_hours import HeldHours, TooManySumsError, held_hours
from sublet_hub.usage.store import HourOfUse, UseStore

MOST_ROWS: Final = 50_000
_METERED: Final = {UseKey.OWNER: "owner", UseKey.GROUP: "payer", UseKey.TYPE: "model"}
"""By what the meter's sums are stored, besides times."""
_MJ_PER_WH: Final = 3_600_000
_WH_PER_KWH: Final = 1000
_SUMS: Final = tuple(name for name in UseRow.model_fields if name not in {"of", "kinds"})
_KINDS: Final = tuple(KindHours.model_fields)


@dataclass(frozen=True, slots=True)
class UseQuestion:
    """What is asked for."""

    span: Span
    by: tuple[UseKey, ...]
    owner: str | None = None
    """Whose use; ``None``: everybody's."""
    as_csv: bool = False
    groups: frozenset[str] | None = None
    """What these groups paid; ``None``: whoever paid."""

    def is_paid_by(self, group: str | None) -> bool:
        """Whether what this group paid is asked for."""
        return self.groups is None or group in self.groups

    @property
    def keys(self) -> tuple[UseKey, ...]:
        """By what hours are added up; that kinds are asked for is none."""
        return tuple(key for key in self.by if key is not UseKey.KIND)

    @property
    def time_key(self) -> UseKey | None:
        """The hour, day or week among the keys; ``None``: there is none."""
        return next((key for key in self.keys if key in TIME_KEYS), None)

    @property
    def is_metered(self) -> bool:
        """Whether the meter's sums answer it."""
        return {*_METERED, *TIME_KEYS}.issuperset(self.keys)

    @property
    def of_kinds(self) -> bool:
        """Whether it is asked what became of the hours."""
        return UseKey.KIND in self.by


class UseReports:
    """The reports, put together from periods held and from the meter's sums."""

    def __init__(
        self,
        database: Database,
        store: UseStore,
        document: Callable[[], QuotaDocument],
        carbon: CarbonSettings | None = None,
    ) -> None:
        """``document``: tells the one in force, by whose types hours are added up."""
        self._database = database
        self._charged = ChargedSums(database)
        self._store = store
        self._document = document
        self._carbon = carbon
        self._turn = asyncio.Lock()

    async def report(self, question: UseQuestion) -> bytes:
        """Return a report as JSON, or as CSV.

        The rules are those of ``rows``.
        """
        question = _checked(question)
        async with self._turn:
            return await asyncio.to_thread(self._report, question)

    async def rows(self, question: UseQuestion) -> tuple[UseRow, ...]:
        """Return a report's rows.

        With kinds it is of whole hours, all of which any part lies in the time asked for.
        ``BadRequestError`` for a too long one, and for kinds by what they are not known by;
        ``LedgerReadError``.
        """
        question = _checked(question)
        async with self._turn:
            return await asyncio.to_thread(self._rows, question)

    @property
    def carbon(self) -> CarbonFactors | None:
        """By what carbon is reckoned; ``None``: it is not set."""
        return None if self._carbon is None else _told_factors(self._carbon)

    def _report(self, question: UseQuestion) -> bytes:
        span, rows = question.span, self._rows(question)
        if question.as_csv:
            return _csv(question, rows)
        report = UseReport(
            since=span.since,
            until=span.until,
            zone=str(span.zone),
            carbon=self.carbon,
            rows=rows,
        )
        return report.model_dump_json().encode()

    def _rows(self, question: UseQuestion) -> tuple[UseRow, ...]:
        span, by = question.span, question.keys
        try:
            held = held_hours(self._periods(question), span, by, MOST_ROWS)
            used = self._used(question) if question.is_metered else None
            kinds = self._kinds(question) if question.of_kinds else None
        except TooManySumsError as error:
            raise _too_long() from error
        keys = held.keys() | (used or {}).keys() | (kinds or {}).keys()
        if len(keys) > MOST_ROWS:
            raise _too_long()
        rows = [
            self._row(
                dict(zip(by, key, strict=True)),
                held.get(key),
                None if used is None else used.get(key),
                None if kinds is None else kinds.get(key, KindSums()).hours(),
            )
            for key in keys
        ]
        rows.sort(key=lambda row: (-row.card_hours, sorted(row.of.items())))
        return tuple(rows)

    def _periods(self, question: UseQuestion) -> Iterator[HeldPeriod]:
        span = question.span
        held = self._database.held_periods(span.since, span.until, question.owner)
        periods = (each for each in held if question.is_paid_by(each.group))
        if UseKey.TYPE not in question.by:
            return periods
        return by_types_of(self._document(), periods)

    def _kinds(self, question: UseQuestion) -> dict[tuple[str, ...], KindSums]:
        span, owner, keys = question.span, question.owner, question.keys
        slots = list(slots_of(question.time_key, span))
        by_owner = UseKey.OWNER in keys
        held = (
            part
            for begin, end in slots
            for part in self._charged.held(begin, end, owner, by_owner=by_owner)
            if question.is_paid_by(part.payer)
        )
        lent = (
            (begin, hour)
            for begin, end in slots
            for hour in self._charged.lent(begin, end, owner)
            if question.is_paid_by(hour.payer)
        )
        asked = SumsAsked(keys, MOST_ROWS, span.zone)
        return kind_hours(held, lent, self._document(), asked)

    def _used(self, question: UseQuestion) -> dict[tuple[str, ...], HourOfUse]:
        span, by = question.span, question.keys
        sums: defaultdict[tuple[str, ...], HourOfUse] = defaultdict(
            lambda: HourOfUse("", span.since)
        )
        types = _Types(self._document())
        whole = replace(span, since=hour_of(span.since))
        apart = {_METERED[key] for key in by if key in _METERED}
        if question.groups is not None:
            apart.add("payer")
        for begin, end in slots_of(question.time_key, whole):
            for part in self._store.use_between(begin, end, question.owner, apart):
                if not question.is_paid_by(part.payer):
                    continue
                values: dict[UseKey, str] = {
                    UseKey.OWNER: part.owner,
                    UseKey.GROUP: part.payer,
                    UseKey.TYPE: types.of(part.model),
                    **{key: label_of(key, begin, span.zone) for key in TIME_KEYS if key in by},
                }
                key = tuple(values[each] for each in by)
                sums[key] = sums[key].plus(part)
                if len(sums) > MOST_ROWS:
                    raise TooManySumsError
        return dict(sums)

    def _row(
        self,
        of: dict[UseKey, str],
        held: HeldHours | None,
        used: HourOfUse | None,
        kinds: KindHours | None,
    ) -> UseRow:
        found = HeldHours() if held is None else held
        is_metered = used is not None and used.unmetered_s == 0
        energy_wh = used.energy_mj / _MJ_PER_WH if used is not None and is_metered else None
        return UseRow(
            of={key.value: value for key, value in of.items()},
            slice_hours=round(found.slices, 4),
            card_hours=round(found.cards, 4),
            memory_gib_hours=round(found.memory_gib, 4),
            busy_hours=None if used is None else round(used.busy_s / 3600, 4),
            lent_hours=None if used is None else round(used.lent_s / 3600, 4),
            energy_wh=None if energy_wh is None else round(energy_wh, 3),
            carbon_g=self._carbon_g(energy_wh),
            kinds=kinds,
        )

    def _carbon_g(self, energy_wh: float | None) -> float | None:
        if energy_wh is None or self._carbon is None:
            return None
        return round(energy_wh / _WH_PER_KWH * self._carbon.pue * self._carbon.g_per_kwh, 3)


def _checked(question: UseQuestion) -> UseQuestion:
    """Return a question of whole hours where it has to be. ``BadRequestError``."""
    times = [key for key in question.keys if key in TIME_KEYS]
    if len(times) > 1:
        message = f"?by={times[0]} and ?by={times[1]} do not go together: ask for one of them"
        raise BadRequestError(message)
    if question.of_kinds:
        unknown = set(question.keys).difference(KNOWN_BY)
        if unknown:
            message = (
                f"?by={min(unknown)} and ?by=kind do not go together: hours of each kind are "
                f"known by {', '.join(KNOWN_BY)}"
            )
            raise BadRequestError(message)
        span = replace(question.span, since=hour_of(question.span.since))
        question = replace(question, span=span)
    return question


def by_types_of(document: QuotaDocument, periods: Iterator[HeldPeriod]) -> Iterator[HeldPeriod]:
    """Yield periods with the type that the document gives their cards in place of the model."""
    types = _Types(document)
    for period in periods:
        model = period.gpu_type
        yield period if model is None else replace(period, gpu_type=types.of(model))


class _Types:
    """The types that a document gives cards of models; of no model, none."""

    def __init__(self, document: QuotaDocument) -> None:
        self._document = document
        self._known: dict[str, str] = {"": ""}

    def of(self, model: str) -> str:
        if model not in self._known:
            self._known[model] = counted_type(self._document, model)
        return self._known[model]


def _too_long() -> BadRequestError:
    message = f"there are more than {MOST_ROWS} rows: ask for less time, or fewer ?by="
    return BadRequestError(message)


def _told_factors(carbon: CarbonSettings) -> CarbonFactors:
    return CarbonFactors(
        pue=carbon.pue, g_per_kwh=carbon.g_per_kwh, source=carbon.source, as_of=carbon.as_of
    )


def _csv(question: UseQuestion, rows: Sequence[UseRow]) -> bytes:
    numbers = _KINDS if question.of_kinds else _SUMS
    return csv_table(
        (*question.keys, *numbers),
        (
            (
                *(row.of[key] for key in question.keys),
                *(getattr(row.kinds if question.of_kinds else row, name) for name in numbers),
            )
            for row in rows
        ),
    )
