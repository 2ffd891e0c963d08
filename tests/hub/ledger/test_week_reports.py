"""A week by group: the numbers of the parts' own reports, beside those of the week before."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from sublet_hub.ledger.database import Database
from sublet_hub.ledger.refusals import AskerSum, RefusalStore
from sublet_hub.settings import CarbonSettings
from sublet_hub.usage.buckets import Span, week_before, week_of
from sublet_hub.usage.refusals import Refusals
from sublet_hub.usage.reports import UseQuestion, UseReports
from sublet_hub.usage.store import UseStore
from sublet_hub.usage.waited import WaitedReports
from sublet_hub.usage.week_reports import WeekReports, refused_by_group
from sublet_quota.document.reading import read_quota_document
from sublet_quota.wire.use import UseKey

from tests.support.past_use import Habit, store_past

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 12, 2, 12, tzinfo=UTC)
DOCUMENT = read_quota_document(
    "groups: {lab: {members: [lab, hub-lab]}, art: {members: [art, hub-art]}}\n"
)
PEOPLE: dict[str, str | None] = {**{f"user-{n}": "lab" for n in range(8)}, "eve": "art"}
CARBON = CarbonSettings(400, 1.5, "the grid", NOW.date())


@pytest.fixture
def reports(database: Database) -> WeekReports:
    store_past(database, PEOPLE, 16, NOW, Habit(days=1))
    return WeekReports(
        UseReports(database, UseStore(database), lambda: DOCUMENT, CARBON),
        WaitedReports(database),
        Refusals(RefusalStore(database), lambda: NOW),
        lambda: DOCUMENT,
        lambda: NOW,
    )


@pytest.mark.asyncio
async def test_a_week_is_told_beside_the_one_before(reports: WeekReports) -> None:
    week = week_of("2026-W48", BERLIN)
    report = await reports.report(week)
    assert (report.week, report.is_over, report.zone) == ("2026-W48", True, "Europe/Berlin")
    # Of slices that are gone it is not known who paid for their turns in line.
    assert [each.group for each in report.groups] == ["art", "lab", ""]
    for span, name in ((week, "week"), (week_before(week), "before")):
        rows = await reports.use.rows(UseQuestion(span, (UseKey.GROUP, UseKey.KIND)))
        told = {each.group: getattr(each, name) for each in report.groups}
        assert [each.kind for each in told.pop("").waits] == ["notebook"]
        assert {row.of["group"]: row.kinds for row in rows} == {
            group: numbers.hours for group, numbers in told.items()
        }
        assert all(numbers.hours.held > 0 and numbers.carbon_g for numbers in told.values())


@pytest.mark.asyncio
async def test_the_most_idle_are_named_first_and_no_more_than_five(reports: WeekReports) -> None:
    report = await reports.report(week_of("2026-W48", UTC))
    (lab,) = (each for each in report.groups if each.group == "lab")
    assert len(lab.idle) == 5
    assert [each.idle for each in lab.idle] == sorted((e.idle for e in lab.idle), reverse=True)
    assert all(0 < each.idle < each.held for each in lab.idle)


@pytest.mark.asyncio
async def test_of_groups_that_are_asked_for_nothing_else_is_told(reports: WeekReports) -> None:
    report = await reports.report(week_of("2026-W48", UTC), frozenset({"art"}))
    assert [each.group for each in report.groups] == ["art"]
    assert [each.owner for each in report.groups[0].idle] == ["eve"]


@pytest.mark.asyncio
async def test_a_week_under_way_is_told_up_to_now(reports: WeekReports) -> None:
    report = await reports.report(week_of("2026-W49", UTC))
    assert (report.until, report.is_over) == (NOW, False)


@pytest.mark.parametrize(
    ("label", "zone", "begins", "hours"),
    [
        ("2026-W48", "UTC", "2026-11-23T00:00Z", 168),
        ("2026-W43", "Europe/Berlin", "2026-10-18T22:00Z", 169),
        ("2026-W13", "Europe/Berlin", "2026-03-22T23:00Z", 167),
        ("2026-W53", "UTC", "2026-12-28T00:00Z", 168),
    ],
)
def test_a_week_begins_on_a_monday_of_its_zone(
    label: str, zone: str, begins: str, hours: int
) -> None:
    week = week_of(label, ZoneInfo(zone))
    assert week.since == datetime.fromisoformat(begins)
    assert week.until - week.since == timedelta(hours=hours)
    assert week_before(week).until == week.since
    assert week_before(Span(week.until, week.until, week.zone)).since == week.since


@pytest.mark.parametrize("label", ["2026-W54", "2025-W53", "2026-W00", "2026-48", "week", ""])
def test_what_is_no_week_is_refused(label: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        week_of(label, UTC)


def test_refusals_count_in_each_group_that_the_asker_is_a_member_of() -> None:
    asked = (
        AskerSum("ada", ("hub-lab",), "no-room", 2, NOW),
        AskerSum("bob", ("hub-lab", "hub-art"), "no-room", 3, NOW),
        AskerSum("bob", ("hub-art",), "no-gpu", 1, NOW),
        AskerSum("eve", (), "no-gpu", 4, NOW),
    )
    found = refused_by_group(asked, DOCUMENT, None)
    told = {
        group: [(each.code, each.times, each.owners) for each in refusals]
        for group, refusals in found.items()
    }
    assert told == {
        "lab": [("no-room", 5, 2)],
        "art": [("no-room", 3, 1), ("no-gpu", 1, 1)],
        "": [("no-gpu", 4, 1)],
    }
    assert refused_by_group(asked, DOCUMENT, {"lab"}).keys() == {"lab"}
