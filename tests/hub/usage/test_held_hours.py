"""How long what was held: by owner, group, type and day, each at the size that it had then."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import astuple
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from random import Random
from time import process_time
from typing import Any
from urllib.parse import quote

import pytest
from sublet_hub.ledger.held_periods import HeldPeriod
from sublet_hub.usage.buckets import Span
from sublet_hub.usage.held_hours import TooManySumsError, held_hours
from sublet_hub.usage.store import HourOfUse
from sublet_quota.wire.use import UseKey

from tests.support.fake_agent import GIB
from tests.support.hub_world import FakeHub, HubWorld, hub_world, settings_for

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


def a_period(owner: str, began_h: float, ended_h: float | None, **values: Any) -> HeldPeriod:
    facts: dict[str, Any] = {
        "slice_id": f"s-{owner}",
        "began_at": NOON + timedelta(hours=began_h),
        "ended_at": None if ended_h is None else NOON + timedelta(hours=ended_h),
        "holder": "notebook",
        "owner": owner,
        "group": "lab",
        "job_id": None,
        "pool": "interactive",
        "size": None,
        "node": "n1",
        "gpu_id": "g",
        "gpu_type": "H100",
        "usable_mib": 80 * GIB,
        "memory_mib": 20 * GIB,
        "compute_milli": 100,
    }
    return HeldPeriod(**{**facts, **values})


def test_each_time_counts_at_the_size_that_was_held_then() -> None:
    periods = [a_period("ada", 0, 2), a_period("ada", 2, 4, memory_mib=80 * GIB)]
    found = held_hours(periods, Span(NOON, NOON + timedelta(hours=3)), [UseKey.OWNER])
    assert found[("ada",)].slices == 3
    assert found[("ada",)].cards == 2 * 0.25 + 1 * 1.0
    assert found[("ada",)].memory_gib == 2 * 20 + 1 * 80


def test_a_slice_counts_as_the_larger_of_its_parts_and_as_no_more_than_its_card() -> None:
    periods = [
        a_period("compute", 0, 1, compute_milli=700),
        a_period("unknown", 0, 1, usable_mib=None, gpu_type=None),
        a_period("more", 0, 1, memory_mib=90 * GIB),
    ]
    found = held_hours(periods, Span(NOON, NOON + timedelta(hours=1)), [UseKey.OWNER])
    assert {key[0]: hours.cards for key, hours in found.items()} == {
        "compute": 0.7,
        "unknown": 0.1,
        "more": 1.0,
    }


def test_hours_are_added_up_by_what_is_asked_for_and_days_end_at_midnight() -> None:
    periods = [a_period("ada", 0, None), a_period("bob", 6, 7, gpu_type="L4", group=None)]
    end = NOON + timedelta(hours=24)
    assert {k: v.slices for k, v in held_hours(periods, Span(NOON, end), []).items()} == {(): 25}
    by_day = held_hours(periods, Span(NOON, end), [UseKey.DAY, UseKey.TYPE])
    assert {key: hours.slices for key, hours in by_day.items()} == {
        ("2026-11-24", "H100"): 12,
        ("2026-11-24", "L4"): 1,
        ("2026-11-25", "H100"): 12,
    }
    by_group = held_hours(periods, Span(NOON, end), [UseKey.GROUP, UseKey.HOLDER, UseKey.NODE])
    assert set(by_group) == {("lab", "notebook", "n1"), ("", "notebook", "n1")}
    assert set(held_hours(periods, Span(NOON, end), [UseKey.POOL])) == {("interactive",)}


def test_a_year_by_day_is_what_its_hours_are_cut_at_each_midnight() -> None:
    rng = Random(3)  # noqa: S311 - nothing secret
    periods = []
    for number in range(60):
        began_h = rng.uniform(-2000, 9000)
        ended_h = rng.choice([None, began_h + rng.uniform(0, 40), began_h + rng.uniform(0, 4000)])
        sizes = {"memory_mib": rng.randrange(1, 80 * GIB), "compute_milli": rng.randrange(1, 1000)}
        periods.append(a_period(f"u{number % 3}", began_h, ended_h, **sizes))
    end = NOON + timedelta(days=366, hours=7)
    found = held_hours(periods, Span(NOON, end), [UseKey.OWNER, UseKey.DAY])
    days = [NOON.replace(hour=0) + timedelta(days=n) for n in range(367)]
    for day in days:
        began, ended = max(day, NOON), min(day + timedelta(days=1), end)
        cut = held_hours(periods, Span(began, ended), [UseKey.OWNER])
        for (owner,), hours in cut.items():
            other = found.pop((owner, day.date().isoformat()))
            assert astuple(other) == pytest.approx(astuple(hours))
    assert not found


def test_what_is_held_for_very_long_takes_no_longer_to_add_up_by_day() -> None:
    """A hundred thousand periods of a year each would be cut 36 million times."""
    periods = [a_period(f"u{number % 50}", number / 10, None) for number in range(2000)]
    looked_at = Counter[str]()

    def day_by_day() -> Iterator[HeldPeriod]:
        for period in periods:
            looked_at["periods"] += 1
            yield period

    began_s = process_time()
    held_hours(periods, Span(NOON, NOON + timedelta(hours=201)), [UseKey.DAY])
    short_s = process_time() - began_s
    began_s = process_time()
    found = held_hours(day_by_day(), Span(NOON, NOON + timedelta(days=399)), [UseKey.DAY])
    assert process_time() - began_s < 10 * short_s
    assert len(found) == 400
    assert looked_at["periods"] == 2000


@pytest.mark.parametrize("by", [[UseKey.OWNER], [UseKey.DAY]])
def test_sums_beyond_a_bound_are_not_kept_until_all_is_added_up(by: list[UseKey]) -> None:
    def endless() -> Iterator[HeldPeriod]:
        for number in count():
            yield a_period(f"u{number}", 24 * number, 24 * number + 60)

    end = NOON + timedelta(days=1000)
    with pytest.raises(TooManySumsError):
        held_hours(endless(), Span(NOON, end), by, most=100)
    year = [a_period("ada", 0, None)]
    with pytest.raises(TooManySumsError):
        held_hours(year, Span(NOON, end), [UseKey.DAY], most=100)


@pytest.mark.asyncio
async def test_an_admin_sees_what_was_held_and_what_was_used_of_it(
    tmp_path: Path, hub: FakeHub
) -> None:
    async with hub_world(tmp_path, hub) as world:
        await world.agent()
        lease = await world.slice_for("ada", size="small")
        created = datetime.fromisoformat(lease["created_at"])
        hour = created.replace(minute=0, second=0, microsecond=0)
        model = world.service.ledger.slices_of_owner("ada")[0].gpu.type
        used = HourOfUse("ada", hour, 1800, 3600, 3_600_000_000, model=model)
        world.service.use._store.add_use([used, HourOfUse("bob", hour, busy_s=36)])
        admin = world.admin()
        status, report = await world.call("GET", "use?by=owner", admin)
        assert status == 200
        rows = {row["of"]["owner"]: row for row in report["rows"]}
        assert (rows["ada"]["busy_hours"], rows["ada"]["lent_hours"]) == (0.5, 1.0)
        assert rows["ada"]["energy_wh"] == 1000
        assert (rows["bob"]["slice_hours"], rows["bob"]["busy_hours"]) == (0, 0.01)
        until = datetime.fromisoformat(report["until"])
        assert abs(rows["ada"]["slice_hours"] - (until - created) / timedelta(hours=1)) < 1e-3
        _, by_type = await world.call("GET", "use?by=type&by=group", admin)
        rows = {(row["of"]["type"], row["of"]["group"]): row for row in by_type["rows"]}
        hers, of_no_known_type = rows[lease["gpu_type"], ""], rows["", ""]
        assert (hers["busy_hours"], hers["energy_wh"]) == (0.5, 1000)
        assert of_no_known_type["busy_hours"] == 0.01
        _, by_node = await world.call("GET", "use?by=node&by=group", admin)
        assert [row["busy_hours"] for row in by_node["rows"]] == [None]
        before = quote((created - timedelta(hours=1)).isoformat())
        _, none = await world.call("GET", f"use?by=type&until={before}", admin)
        assert none["rows"] == []


@pytest.mark.asyncio
async def test_types_are_those_of_the_quota_document(tmp_path: Path, hub: FakeHub) -> None:
    (tmp_path / "quota.yaml").write_text("gpu_types: {H100: {match: '*H100*'}}")
    settings = settings_for(tmp_path, quota_file=tmp_path / "quota.yaml")
    async with hub_world(tmp_path, hub, settings) as world:
        await world.agent()
        await world.slice_for("ada", size="small")
        _, report = await world.call("GET", "use?by=type", world.admin())
        assert [row["of"] for row in report["rows"]] == [{"type": "H100"}]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("by=mood", "?by=mood is none"),
        (
            "since=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z",
            "?until= 2026-01-01T00:00:00Z: give an end after the begin",
        ),
        (
            "since=2026-01-02T00:00:00Z&until=2026-01-01T00:30:00%2B01:00",
            "?until= 2026-01-01T00:30:00+01:00 (2025-12-31 23:30 UTC): give an end after the begin",
        ),
        ("until=2026-01-01T00:00:00+01:00", "write 2026-11-24T09:30:00Z, and a + as %2B"),
        (
            "since=2020-01-01T00:00:00Z&until=2026-01-01T00:00:00Z",
            "is longer than 400 days, which a report has at most: give a later ?since=",
        ),
        ("until=0001-01-02T00:00:00Z", "?until= is too long ago"),
        ("until=1970-01-01T00:00:00Z", "give a time since 1970"),
        (
            "since=9999-01-01T00:00:00Z&until=9999-12-31T00:00:00Z",
            "?since= is 9999-01-01T00:00:00Z, which is still to come",
        ),
    ],
)
async def test_a_report_that_cannot_be_is_refused(world: HubWorld, query: str, says: str) -> None:
    status, problem = await world.call("GET", f"use?{query}", world.admin())
    assert (status, says in problem["message"]) == (400, True), problem
