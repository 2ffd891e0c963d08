"""The table of refusals: equal ones are one row, and nobody makes others' be forgotten."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sublet_hub.ledger import refusals as module
from sublet_hub.ledger.database import Database, LedgerReadError, LedgerWriteError
from sublet_hub.ledger.refusals import CodeSum, RefusalQuery, RefusalRecord, RefusalStore

NOW = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
ALL = RefusalQuery()


def a_refusal(number: int, owner: str = "ada", minutes: float = 0, **values: Any) -> RefusalRecord:
    at = NOW + timedelta(minutes=minutes)
    facts: dict[str, Any] = {
        "refusal_id": f"r-{owner}-{number}-{minutes}",
        "alike": f"{owner}-{number}",
        "owner": owner,
        "holder": "notebook",
        "groups": ("lab",),
        "size": "small",
        "memory_mib": None,
        "compute_milli": None,
        "gpus": None,
        "gpu_type": None,
        "pool": None,
        "code": "no-room",
        "numbers": {"free_mib": number},
        "message": f"no room {number}",
        "times": 1,
        "first_at": at,
        "last_at": at,
    }
    return RefusalRecord(**{**facts, **values})


@pytest.fixture
def store(database: Database) -> RefusalStore:
    return RefusalStore(database)


def test_equal_refusals_within_a_day_are_one_row_that_counts(store: RefusalStore) -> None:
    first = a_refusal(1)
    later = a_refusal(1, minutes=30, times=4, message="no room now", numbers={"free_mib": 0})
    store.add([first])
    store.add([later])
    (found,) = store.newest(ALL, None, 10)
    assert found == replace(
        first,
        times=5,
        last_at=later.last_at,
        message="no room now",
        numbers={"free_mib": 0},
    )
    store.add([a_refusal(1, minutes=24 * 60 + 1)])
    assert [each.times for each in store.newest(ALL, None, 10)] == [1, 5]


def test_what_no_database_takes_is_stored_without_it(store: RefusalStore) -> None:
    odd = a_refusal(
        1, owner="a\0da", message="no\ud800 room", groups=("l\0ab",), memory_mib=-(2**53)
    )
    store.add([odd])
    (found,) = store.newest(ALL, None, 10)
    assert (found.owner, found.message, found.groups) == (
        "a\ufffdda",
        "no\ufffd room",
        ("l\ufffdab",),
    )


def test_refusals_are_found_by_owner_code_and_time_page_by_page(store: RefusalStore) -> None:
    store.add(
        [a_refusal(n, minutes=n) for n in range(5)]
        + [a_refusal(9, "bob", 2.5, code="user-limit"), a_refusal(8, "bob", 2.5)]
    )
    newest = store.newest(ALL, None, 3)
    assert [each.alike for each in newest] == ["ada-4", "ada-3", "bob-9"]
    place = newest[-1].last_at, newest[-1].refusal_id
    rest = store.newest(ALL, place, 10)
    assert [each.alike for each in rest] == ["bob-8", "ada-2", "ada-1", "ada-0"]
    of_bob = store.newest(RefusalQuery("bob", "user-limit"), None, 10)
    assert [each.alike for each in of_bob] == ["bob-9"]
    late = store.newest(RefusalQuery(since=NOW + timedelta(minutes=3)), None, 10)
    assert [each.alike for each in late] == ["ada-4"]
    early = store.newest(RefusalQuery(until=NOW + timedelta(minutes=1)), None, 10)
    assert [each.alike for each in early] == ["ada-0"]


def test_sums_tell_how_often_each_code_was_told_and_to_how_many(store: RefusalStore) -> None:
    store.add(
        [
            a_refusal(1, times=3),
            a_refusal(2, minutes=9),
            a_refusal(1, "bob"),
            a_refusal(3, "bob", code="user-limit"),
        ]
    )
    assert store.sums(ALL) == (
        CodeSum("no-room", 5, 2, NOW + timedelta(minutes=9)),
        CodeSum("user-limit", 1, 1, NOW),
    )
    assert store.sums(RefusalQuery("bob")) == (
        CodeSum("no-room", 1, 1, NOW),
        CodeSum("user-limit", 1, 1, NOW),
    )
    assert store.sums(RefusalQuery("eve")) == ()


def test_an_owner_has_so_many_rows_and_the_oldest_go(
    store: RefusalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_OF_OWNER", 3)
    store.add([a_refusal(0, "bob")])
    for number in range(6):
        store.add([a_refusal(number, minutes=number)])
    assert [each.alike for each in store.newest(ALL, None, 10)] == [
        "ada-5",
        "ada-4",
        "ada-3",
        "bob-0",
    ]


def test_of_too_many_in_all_those_go_whose_owner_has_the_most(
    store: RefusalStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_IN_ALL", 6)
    store.add([a_refusal(n, owner) for owner in ("bob", "eve") for n in range(2)])
    store.add([a_refusal(n, minutes=1 + n) for n in range(20)])
    found = [each.alike for each in store.newest(ALL, None, 100)]
    assert found == ["ada-19", "ada-18", "eve-1", "eve-0", "bob-1", "bob-0"]


def test_what_was_told_last_long_ago_is_forgotten(store: RefusalStore) -> None:
    store.add([a_refusal(1), a_refusal(2, minutes=60)])
    store.forget_before(NOW + timedelta(minutes=30))
    assert [each.alike for each in store.newest(ALL, None, 10)] == ["ada-2"]


def test_a_database_that_is_gone_takes_and_tells_nothing(store: RefusalStore) -> None:
    engine = store._database.engine
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE refusals")
    with pytest.raises(LedgerWriteError):
        store.add([a_refusal(1)])
    with pytest.raises(LedgerReadError):
        store.newest(ALL, None, 10)
