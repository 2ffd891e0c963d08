"""Energy, carbon and GPU time by group and type: the parts add up to what is told of all."""

from datetime import UTC, datetime, timedelta

import pytest
from sublet_hub.ledger.database import Database
from sublet_hub.settings import CarbonSettings
from sublet_hub.usage.buckets import Span
from sublet_hub.usage.reports import UseQuestion, UseReports
from sublet_hub.usage.store import HourOfUse, UseStore
from sublet_quota.document.reading import read_quota_document
from sublet_quota.wire.use import UseKey, UseReport, UseRow

from tests.support.past_use import MODELS, Habit, store_past

pytestmark = pytest.mark.asyncio

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
SPAN = Span(NOON - timedelta(days=7), NOON)
DOCUMENT = read_quota_document(
    "gpu_types: {H100: {match: '*H100*'}, A100: {match: '*A100*'}}\ngroups: {lab: {}, art: {}}\n"
)
PEOPLE: dict[str, str | None] = {"ada": "lab", "bob": "lab", "eve": "art", "zoe": None}
CARBON = CarbonSettings(400, 1.5, "the grid", NOON.date())
PARTS = (
    (UseKey.GROUP,),
    (UseKey.TYPE,),
    (UseKey.GROUP, UseKey.TYPE),
    (UseKey.OWNER, UseKey.GROUP, UseKey.TYPE),
    (UseKey.GROUP, UseKey.DAY),
)


async def told(
    database: Database, *by: UseKey, groups: frozenset[str] | None = None
) -> tuple[UseRow, ...]:
    reports = UseReports(database, UseStore(database), lambda: DOCUMENT, CARBON)
    body = await reports.report(UseQuestion(SPAN, by, groups=groups))
    return UseReport.model_validate_json(body).rows


def sums(rows: tuple[UseRow, ...]) -> list[float]:
    return [
        sum(getattr(row, name) for row in rows)
        for name in ("busy_hours", "lent_hours", "energy_wh", "carbon_g")
    ]


@pytest.mark.parametrize("by", PARTS, ids="-".join)
async def test_the_parts_come_to_what_all_took(database: Database, by: tuple[UseKey, ...]) -> None:
    store_past(database, PEOPLE, 7, NOON, Habit(days=1))
    whole = await told(database)
    assert whole[0].carbon_g == pytest.approx((whole[0].energy_wh or 0) * 0.6)
    assert sums(await told(database, *by)) == pytest.approx(sums(whole), rel=1e-5)


async def test_each_part_is_of_its_group_and_type_alone(database: Database) -> None:
    h100, a100 = MODELS
    UseStore(database).add_use(
        HourOfUse(owner, NOON - timedelta(hours=2), energy_mj=wh * 3_600_000, payer=payer, model=of)
        for owner, payer, of, wh in (
            ("ada", "lab", h100, 1),
            ("ada", "lab", a100, 2),
            ("ada", "art", a100, 4),
            ("bob", "lab", a100, 8),
            ("bob", "", a100, 16),
        )
    )

    async def energy(*by: UseKey, groups: frozenset[str] | None = None) -> dict[str, float | None]:
        rows = await told(database, *by, groups=groups)
        return {" ".join(row.of.values()): row.energy_wh for row in rows}

    assert await energy(UseKey.GROUP) == {"lab": 11, "art": 4, "": 16}
    assert await energy(UseKey.TYPE) == {"H100": 1, "A100": 30}
    assert await energy(UseKey.OWNER) == {"ada": 7, "bob": 24}
    assert await energy(UseKey.OWNER, groups=frozenset({"lab"})) == {"ada": 3, "bob": 8}


async def test_where_a_card_had_no_counter_its_group_alone_is_told_no_energy(
    database: Database,
) -> None:
    hour = NOON - timedelta(hours=2)
    UseStore(database).add_use(
        (
            HourOfUse("ada", hour, energy_mj=3_600_000, payer="lab", model=MODELS[0]),
            HourOfUse("ada", hour, unmetered_s=5, payer="art", model=MODELS[0]),
        )
    )
    rows = await told(database, UseKey.GROUP)
    assert {row.of["group"]: row.energy_wh for row in rows} == {"lab": 1, "art": None}
    assert [row.energy_wh for row in await told(database)] == [None]
