"""Hours by what became of them: held is the sum of its kinds, and credits are those of budgets."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sublet_hub.ledger.charged_hours import ChargedHourStore
from sublet_hub.ledger.charged_sums import LentHour
from sublet_hub.usage.budgets.kind_hours import KindSums, SumsAsked, kind_hours
from sublet_hub.usage.held_hours import TooManySumsError
from sublet_quota.budgets.charge import US_PER_HOUR, HeldKind, HeldTime
from sublet_quota.budgets.period import hour_of
from sublet_quota.budgets.spending import ChargedHour, Spending
from sublet_quota.document.reading import read_quota_document
from sublet_quota.names.ids import GroupName, UserName
from sublet_quota.wire.use import UseKey

from tests.support.hub_world import FakeHub, hub_world, settings_for

HOUR = datetime(2026, 11, 24, 9, tzinfo=UTC)
TEXT = """
gpu_types: {H100: {match: '*H100*', rate: 4}}
groups:
  lab: {budget: {hours: 1000, per: year, lent_rate: 0.25}}
  free: {}
"""
DOCUMENT = read_quota_document(TEXT)


def a_part(  # noqa: PLR0913 - a builder
    kind: HeldKind,
    hours: float,
    *,
    entitled: bool = True,
    owner: str = "ada",
    payer: str | None = "lab",
    hour: int = 0,
    paid: float = 0,
    model: str = "NVIDIA H100",
) -> ChargedHour:
    time = HeldTime(kind, entitled, 1, round(hours * US_PER_HOUR), round(paid * US_PER_HOUR))
    group = None if payer is None else GroupName(payer)
    return ChargedHour(HOUR + timedelta(hours=hour), group, UserName(owner), model, time)


def by(*keys: UseKey, parts: list[ChargedHour], most: int = 100) -> dict[tuple[str, ...], KindSums]:
    return kind_hours(parts, lent_of(parts), DOCUMENT, SumsAsked(keys, most))


def lent_of(parts: list[ChargedHour]) -> list[tuple[datetime, LentHour]]:
    """Add up what each holder lent in each hour, as the database does."""
    sums: dict[tuple[datetime, GroupName | None, UserName, str], tuple[int, int]] = {}
    for part in parts:
        if part.time.kind is HeldKind.LENT:
            key = part.hour, part.payer, part.owner, part.model
            card_us, paid_us = sums.get(key, (0, 0))
            sums[key] = card_us + part.time.card_us, paid_us + part.time.paid_us
    return [(hour, LentHour(*holder, *amounts)) for (hour, *holder), amounts in sums.items()]


def test_held_is_told_by_kind_with_what_was_borrowed_charged_and_credited() -> None:
    parts = [
        a_part(HeldKind.USED, 1),
        a_part(HeldKind.IDLE, 0.5, entitled=False),
        a_part(HeldKind.LENT, 1, paid=0.1),
        a_part(HeldKind.SUSPENDED, 2),
    ]
    (sums,) = by(parts=parts).values()
    assert sums.hours().model_dump() == {
        "held": 4.5,
        "used": 1,
        "idle": 0.5,
        "lent": 1,
        "suspended": 2,
        "borrowed": 0.5,
        "charged": 4 * (1 + 0.5 / 4 + 1 / 4),
        "credited": 4 * 0.1,
    }


def test_what_no_budget_counts_is_held_and_not_charged() -> None:
    (sums,) = by(parts=[a_part(HeldKind.USED, 1, payer="free")]).values()
    assert (sums.hours().held, sums.hours().charged) == (1, 0)


def test_hours_are_added_up_by_owner_group_type_and_day() -> None:
    parts = [
        a_part(HeldKind.USED, 1),
        a_part(HeldKind.IDLE, 1, hour=20),
        a_part(HeldKind.USED, 1, owner="ben", payer=None, model="Other", hour=20),
    ]
    found = by(UseKey.GROUP, UseKey.OWNER, UseKey.TYPE, UseKey.DAY, parts=parts)
    assert sorted(found) == [
        ("", "ben", "Other", "2026-11-25"),
        ("lab", "ada", "H100", "2026-11-24"),
        ("lab", "ada", "H100", "2026-11-25"),
    ]


def test_more_sums_than_a_report_holds_are_not_added_up() -> None:
    parts = [a_part(HeldKind.USED, 1, owner=f"u{number}") for number in range(9)]
    with pytest.raises(TooManySumsError):
        by(UseKey.OWNER, parts=parts, most=8)


@given(
    st.lists(
        st.builds(
            a_part,
            st.sampled_from(HeldKind),
            st.floats(0, 3),
            entitled=st.booleans(),
            owner=st.sampled_from(["ada", "ben"]),
            hour=st.integers(0, 3),
            paid=st.floats(0, 1),
        ),
        max_size=20,
    )
)
def test_what_is_charged_and_credited_is_what_the_budget_says(parts: list[ChargedHour]) -> None:
    spending = Spending(DOCUMENT)
    for part in parts:
        spending.add(part)
    (standing,) = spending.standings(HOUR + timedelta(hours=4))
    sums = by(UseKey.OWNER, parts=parts).values()
    assert sum(each.charge.charged for each in sums) == standing.charged
    assert sum(each.charge.credited for each in sums) == standing.credited
    assert sum(sum(each.card_us.values()) for each in sums) == sum(p.time.card_us for p in parts)


@pytest.mark.asyncio
async def test_an_admin_sees_hours_by_kind(tmp_path: Path, hub: FakeHub) -> None:
    (tmp_path / "quota.yaml").write_text(TEXT)
    settings = settings_for(tmp_path, quota_file=tmp_path / "quota.yaml")
    async with hub_world(tmp_path, hub, settings) as world:
        store = ChargedHourStore(world.service.use._database)
        now = world.service.now()
        # By the service's own clock: what is older than a year it forgets as it starts.
        hour = hour_of(now - timedelta(days=1))
        held = a_part(HeldKind.IDLE, 1), a_part(HeldKind.USED, 0.5, owner="ben")
        store.add([replace(part, hour=hour) for part in held], now)
        begin, end = hour + timedelta(minutes=30), hour + timedelta(minutes=40)
        times = f"since={quote(begin.isoformat())}&until={quote(end.isoformat())}"
        asked = f"use?by=owner&by=kind&by=type&{times}"
        status, report = await world.call("GET", asked, world.admin())
        assert status == 200, report
        assert datetime.fromisoformat(report["since"]) == hour
        rows = {row["of"]["owner"]: row for row in report["rows"]}
        assert rows["ada"]["of"] == {"owner": "ada", "type": "H100"}
        assert (rows["ada"]["kinds"]["idle"], rows["ada"]["kinds"]["charged"]) == (1, 4)
        assert (rows["ben"]["kinds"]["held"], rows["ben"]["kinds"]["used"]) == (0.5, 0.5)
        _, without = await world.call("GET", f"use?by=owner&{times}", world.admin())
        assert all(row["kinds"] is None for row in without["rows"])
        status, refused = await world.call("GET", "use?by=kind&by=node", world.admin())
        assert (status, "known by owner, group, type, hour" in str(refused)) == (400, True)
        _, own = await world.call("GET", f"use?by=owner&by=kind&{times}", world.user("ada"))
        assert [row["of"] for row in own["rows"]] == [{"owner": "ada"}]
