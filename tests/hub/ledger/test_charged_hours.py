"""What was held by kind and hour: added up exactly, with the moment until which all is counted."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path

import pytest
from sublet_hub.ledger.charged_hours import ChargedHourStore, ToldOfBudget
from sublet_hub.ledger.database import LedgerWriteError
from sublet_quota.budgets.charge import HeldKind, HeldTime
from sublet_quota.budgets.spending import ChargedHour
from sublet_quota.names.ids import GroupName, UserName
from sublet_quota.reasons.budget_levels import BudgetNews

from tests.support.migrated_ledger import migrated_ledger

HOUR = datetime(2026, 11, 24, 9, tzinfo=UTC)
NOW = HOUR + timedelta(minutes=10)
LAB = GroupName("lab")


def part(
    owner: str = "ada",
    hour: datetime = HOUR,
    payer: GroupName | None = LAB,
    time: HeldTime = HeldTime(HeldKind.USED, True, 5_000_000, 1_666_667),  # noqa: B008 - frozen
) -> ChargedHour:
    return ChargedHour(hour, payer, UserName(owner), "NVIDIA L4", time)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ChargedHourStore]:
    database = migrated_ledger(tmp_path / "ledger.sqlite")
    yield ChargedHourStore(database)
    database.close()


def test_before_anything_was_counted_there_is_no_mark(store: ChargedHourStore) -> None:
    assert store.until() is None
    assert list(store.since(HOUR)) == []


def test_parts_of_one_row_are_added_up_exactly(store: ChargedHourStore) -> None:
    for number in range(3):
        store.add([part(), part("ben", payer=None)], NOW + timedelta(seconds=number))
    found = {each.owner: each for each in store.since(HOUR)}
    assert found["ada"] == part(time=HeldTime(HeldKind.USED, True, 15_000_000, 5_000_001))
    assert found["ben"].payer is None
    assert store.until() == NOW + timedelta(seconds=2)


def test_each_kind_and_right_has_its_own_row(store: ChargedHourStore) -> None:
    times = [HeldTime(kind, right, 1, 1, 1) for kind in HeldKind for right in (True, False)]
    store.add([part(time=time) for time in times], NOW)
    assert {each.time for each in store.since(HOUR)} == set(times)


def test_hours_are_found_from_one_to_another(store: ChargedHourStore) -> None:
    hours = [HOUR + timedelta(hours=number) for number in range(3)]
    store.add([part(hour=hour) for hour in hours], NOW)
    assert [each.hour for each in store.since(hours[1])] == hours[1:]
    assert [each.hour for each in store.since(hours[0], until=hours[2])] == hours[:2]
    store.forget_before(hours[2])
    assert [each.hour for each in store.since(HOUR)] == hours[2:]


def test_what_cannot_be_stored_leaves_all_as_it_was(store: ChargedHourStore) -> None:
    store.add([part()], NOW)
    too_much = HeldTime(HeldKind.USED, True, 2**70, 1)
    with pytest.raises(LedgerWriteError):
        store.add([part(), part("ben", time=too_much)], NOW + timedelta(hours=1))
    assert list(store.since(HOUR)) == [part()]
    assert store.until() == NOW


def test_what_was_told_of_a_budget_is_kept_until_it_is_told_otherwise(
    store: ChargedHourStore,
) -> None:
    group, person = (LAB, None), (LAB, UserName("ada"))
    ends = ToldOfBudget(group, BudgetNews.ENDS, NOW, Fraction(10))
    over = ToldOfBudget(person, BudgetNews.OVER, NOW, Fraction(1, 3))
    store.tell([ends, over])
    later = replace(ends, at=NOW + timedelta(days=1))
    spent = replace(later, news=BudgetNews.OVER)
    store.tell([later, spent], gone=[person])
    assert set(store.told()) == {later, spent}
