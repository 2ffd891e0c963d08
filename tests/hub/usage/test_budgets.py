"""Budgets as they stand: each word is told once, and what is spent counts as borrowed."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from textwrap import dedent

import pytest
from sublet_hub.ledger.database import EventQuery
from sublet_hub.usage.budgets.standings import Budgets
from sublet_quota.budgets.charge import US_PER_HOUR, HeldKind, HeldTime
from sublet_quota.budgets.period import hour_of
from sublet_quota.budgets.spending import ChargedHour
from sublet_quota.document.reading import read_quota_document
from sublet_quota.names.ids import GroupName, SliceId, UserName
from sublet_quota.residency.snapshot import Rank

from tests.hub.usage.test_budget_meter import Desk, a_slice, with_card_open
from tests.support.migrated_ledger import migrated_ledger

pytestmark = pytest.mark.asyncio
TEXT = dedent(
    """
    groups:
      lab:
        guaranteed: {Simulated: 1}
        budget: {hours: 10, per: day, each: {hours: 8}}
    """
)


class World(Desk):
    """The desk with budgets on it."""

    def budgets(self, text: str = TEXT) -> Budgets:
        self.start()
        self.capacity.document_changed(read_quota_document(text))
        return Budgets(self.ledger, self.capacity, self.store, self.clock)

    async def spend(self, budgets: Budgets, hours: float, owner: str = "ada") -> None:
        self.now += timedelta(minutes=1)
        time = HeldTime(HeldKind.USED, True, 1, round(hours * US_PER_HOUR))
        part = ChargedHour(hour_of(self.now), GroupName("lab"), UserName(owner), "Simulated", time)
        self.store.add([part], self.now)
        budgets.take([part])
        await budgets.look()

    def told(self) -> list[tuple[str, str | None]]:
        events = [
            each
            for each in self.ledger.events(EventQuery(since=None, owner=None, limit=100))
            if each.kind.startswith("budget-")
        ]
        return [(each.kind, each.owner) for each in events]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    database = migrated_ledger(tmp_path / "ledger.sqlite")
    yield World(database)
    database.close()


async def test_that_hours_end_are_spent_and_are_there_again_is_told_once_each(world: World) -> None:
    budgets = world.budgets()
    for owner in ("ada", "ben", "cleo", "dan"):
        await world.spend(budgets, 2.75, owner)
    await budgets.look()
    assert world.told() == [("budget-ends", None), ("budget-spent", None)]
    world.now += timedelta(days=1)
    await budgets.look()
    assert world.told()[2:] == [("budget-renewed", None)]


async def test_a_person_is_told_of_their_own_hours(world: World) -> None:
    budgets = world.budgets()
    await world.spend(budgets, 7)
    assert world.told() == [("budget-ends", "ada")]


async def test_after_a_restart_nothing_is_told_again_and_nothing_forgotten(world: World) -> None:
    await world.spend(world.budgets(), 11)
    before = world.told()
    again = world.budgets()
    await again.look()
    assert world.told() == before
    (together, own) = again.of("ada", ["lab"])
    assert (together.charged, together.left, together.is_over) == (11, 0, True)
    assert (own.owner, own.charged) == ("ada", 11)


async def test_what_is_spent_counts_as_borrowed_until_there_are_hours_again(world: World) -> None:
    budgets = world.budgets()
    world.hold(a_slice("a", "ada"), a_slice("b", "ben"))
    with_card_open(world)
    await world.spend(budgets, 8.5)
    rank = world.capacity.holdings.rank
    assert (rank(SliceId("a")), rank(SliceId("b"))) == (Rank.BORROWED, Rank.ENTITLED)
    await world.spend(budgets, 2, "ben")
    assert rank(SliceId("b")) is Rank.BORROWED
    world.now += timedelta(days=1)
    assert await budgets.look()
    assert rank(SliceId("a")) is rank(SliceId("b")) is Rank.ENTITLED


async def test_another_document_is_taken_over_with_all_that_was_spent(world: World) -> None:
    budgets = world.budgets()
    await world.spend(budgets, 11)
    more = read_quota_document(TEXT.replace("hours: 10", "hours: 20"))
    world.capacity.document_changed(more)
    await budgets.look()
    assert [(each.hours, each.charged, each.is_over) for each in budgets.all()] == [
        (20, 11, False),
        (8, 11, True),
    ]


async def test_who_spent_nothing_sees_their_hours(world: World) -> None:
    budgets = world.budgets()
    await budgets.look()
    (_, own) = budgets.of("eve", ["lab", "elsewhere"])
    assert (own.owner, own.left, own.source) == ("eve", 8, "groups.lab.budget.each.hours")


ROLLING = TEXT.replace("per: day", "per: 2d")


async def test_in_a_rolling_period_each_word_is_told_once_however_hours_come_and_go(
    world: World,
) -> None:
    budgets = world.budgets(ROLLING)
    for number in range(4):
        await world.spend(budgets, 2.75, f"u{number}")
    assert world.told() == [("budget-ends", None), ("budget-spent", None)]
    for _ in range(3):
        world.now += timedelta(hours=17)
        await world.spend(budgets, 1)
    assert world.told()[2:] == [("budget-renewed", None)]


async def test_the_next_period_tells_anew(world: World) -> None:
    budgets = world.budgets()
    await world.spend(budgets, 7)
    world.now += timedelta(days=1)
    await world.spend(budgets, 7)
    assert world.told() == [("budget-ends", "ada")] * 2


async def test_of_other_hours_it_is_told_anew_in_the_same_period(world: World) -> None:
    budgets = world.budgets()
    await world.spend(budgets, 11)
    for hours in (20, 10.5):
        world.now += timedelta(minutes=1)
        world.capacity.document_changed(read_quota_document(TEXT.replace("10", str(hours))))
        await budgets.look()
    told = [kind for kind, owner in world.told() if owner is None]
    assert told == ["budget-spent", "budget-renewed", "budget-spent"]


async def test_who_spends_nothing_in_the_new_period_is_told_of_hours_too(world: World) -> None:
    budgets = world.budgets()
    await world.spend(budgets, 9)
    world.now += timedelta(days=1)
    await world.budgets().look()
    assert world.told()[-1] == ("budget-renewed", "ada")


async def test_a_budget_that_is_no_more_is_told_of_by_nobody(world: World) -> None:
    budgets = world.budgets()
    await world.spend(budgets, 9)
    world.capacity.document_changed(read_quota_document("groups: {lab: {}}"))
    await budgets.look()
    assert (
        world.told() == [("budget-spent", "ada"), ("budget-ends", None)] or len(world.told()) == 2
    )
    assert world.store.told() == ()
    assert budgets.notes("ada", ["lab"]) == ()


async def test_who_spends_the_hours_reads_of_it_for_a_day_also_after_a_restart(
    world: World,
) -> None:
    await world.spend(world.budgets(), 7)
    again = world.budgets()
    (note,) = again.notes("ada", ["lab"])
    assert note.text == "The budget of ada in lab has 1 h left of 8 h."
    assert note.made_at == world.now
    assert again.notes("ben", ["lab"]) == ()
    await world.spend(again, 2.5)
    texts = [each.text for each in again.notes("ada", ["lab"])]
    assert [text.split(":")[0] for text in texts] == [
        "The budget of lab has 0.5 h left of 10 h.",
        "The budget of ada in lab of 8 h is spent",
    ]
    assert len(again.notes("ben", ["lab"])) == 1
    world.now += timedelta(hours=25)
    assert again.notes("ada", ["lab"]) == ()
