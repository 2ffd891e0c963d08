"""What happened is stored in batches, each whole or not at all, and forgotten by age."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sublet_hub.ledger import recorded as module
from sublet_hub.ledger.database import Database, LedgerWriteError
from sublet_hub.ledger.recorded import (
    GRANTED,
    AskRecord,
    CardRecord,
    CardState,
    CellBlock,
    Happened,
    MovesOfHour,
    RecordedStore,
)

NOW = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)


def an_ask(ask_id: str, hours: float = 0, **values: Any) -> AskRecord:
    at = NOW + hours * HOUR
    facts: dict[str, Any] = {
        "owner": "ada",
        "server": "",
        "groups": ("büro", "lab"),
        "group": None,
        "size": "small",
        "memory_mib": None,
        "compute_milli": None,
        "gpu_type": None,
        "never_suspended": False,
        "answer": GRANTED,
        "slice_id": ask_id,
        "at": at,
        "last_at": at,
    }
    return AskRecord(ask_id=ask_id, **{**facts, **values})


def a_card(hours: float, state: CardState, gpu_id: str = "GPU-1") -> CardRecord:
    return CardRecord(gpu_id, NOW + hours * HOUR, "node-a", 1, "H100", 81920, 1024, state)


@pytest.fixture
def store(database: Database) -> RecordedStore:
    return RecordedStore(database)


def test_a_batch_is_read_as_it_was(store: RecordedStore) -> None:
    asks = (an_ask("s1"), an_ask("s2", 1, answer="no-room", slice_id=None))
    cells = (CellBlock("s1", NOW, b"\0\xff"), CellBlock("s1", NOW + HOUR, b"1"))
    moves = (MovesOfHour(NOW, "node-a", leaves=True, moves=2, moved_mib=9, took_s=1.5),)
    cards = (a_card(0, CardState.OPEN),)
    store.add(Happened(asks, cells, moves, cards))
    assert store.asks(NOW, NOW + 2 * HOUR) == asks
    assert tuple(store.cells({"s1", "other"})) == cells
    assert store.moves(NOW, NOW + HOUR) == moves
    assert store.cards(NOW + HOUR) == cards


def test_what_is_asked_twice_and_answered_once_is_one(store: RecordedStore) -> None:
    store.add(Happened(asks=(an_ask("s1"),)))
    store.add(Happened(asks=(an_ask("s1", 3), an_ask("s2", 3))))
    assert [each.at for each in store.asks(NOW, NOW + 9 * HOUR)] == [NOW, NOW + 3 * HOUR]


def test_moves_of_an_hour_are_added_up(store: RecordedStore) -> None:
    one = MovesOfHour(NOW, "node-a", leaves=False, moves=1, moved_mib=10, took_s=0.5)
    back = replace(one, leaves=True)
    store.add(Happened(moves=(one, back)))
    store.add(Happened(moves=(one,)))
    assert set(store.moves(NOW, NOW + HOUR)) == {
        back,
        replace(one, moves=2, moved_mib=20, took_s=1.0),
    }


def test_a_batch_that_the_database_refuses_is_stored_in_no_part(store: RecordedStore) -> None:
    block = CellBlock("s1", NOW, b"")
    with pytest.raises(LedgerWriteError):
        store.add(Happened(asks=(an_ask("s1"),), cells=(block, block)))
    assert store.asks(NOW, NOW + HOUR) == ()


def test_a_block_that_ends_as_another_did_keeps_nothing_else_out(store: RecordedStore) -> None:
    first, other = CellBlock("s1", NOW, b"1"), CellBlock("s2", NOW, b"2")
    store.add(Happened(cells=(first,)))
    store.add(Happened(asks=(an_ask("s3"),), cells=(replace(first, stretches=b"9"), other)))
    assert tuple(store.cells({"s1", "s2"})) == (first, other)
    assert len(store.asks(NOW, NOW + HOUR)) == 1


def test_who_asks_in_a_loop_makes_nobody_elses_be_forgotten(
    store: RecordedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_ASKS_OF_OWNER", 2)
    store.add(Happened(asks=(an_ask("b1", owner="ben"),)))
    for number in range(4):
        store.add(Happened(asks=(an_ask(f"a{number}", number),)))
    kept = {each.ask_id for each in store.asks(NOW, NOW + 9 * HOUR)}
    assert kept == {"b1", "a2", "a3"}


def test_a_hostile_name_is_stored_as_every_database_takes_it(store: RecordedStore) -> None:
    store.add(Happened(asks=(an_ask("s1", server="a\0b\ud800", groups=("=1+1\0",)),)))
    (found,) = store.asks(NOW, NOW + HOUR)
    assert (found.server, found.groups) == ("a\ufffdb\ufffd", ("=1+1\ufffd",))


def test_what_is_old_is_forgotten_and_of_a_card_how_it_stood_stays(store: RecordedStore) -> None:
    cards = (
        a_card(0, CardState.OPEN),
        a_card(1, CardState.CLOSED),
        a_card(5, CardState.OPEN),
        a_card(0, CardState.OPEN, "GPU-2"),
    )
    moves = MovesOfHour(NOW, "node-a", leaves=True, moves=2, moved_mib=9, took_s=1.5)
    asks = (an_ask("s1"), an_ask("s2", 0, last_at=NOW + 4 * HOUR))
    store.add(Happened(asks, (CellBlock("s1", NOW, b""),), (moves,), cards))
    assert not store.forget_some_before(NOW + 2 * HOUR)
    assert [each.ask_id for each in store.asks(NOW, NOW + 9 * HOUR)] == ["s2"]
    assert tuple(store.cells({"s1"})) == ()
    assert store.moves(NOW, NOW + HOUR) == ()
    assert set(store.cards(NOW + 9 * HOUR)) == set(cards[1:])
    assert store.last_of_cards() == {"GPU-1": cards[2], "GPU-2": cards[3]}


def test_of_very_much_that_is_old_some_is_forgotten_at_a_time(
    store: RecordedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_AT_ONCE_FORGOTTEN", 3)
    store.add(Happened(tuple(an_ask(f"s{n}", n, slice_id=None) for n in range(10))))
    left = []
    while store.forget_some_before(NOW + 9 * HOUR):
        left.append(len(store.asks(NOW, NOW + 20 * HOUR)))
    assert left == [6, 2]
    assert [each.ask_id for each in store.asks(NOW, NOW + 20 * HOUR)] == ["s9"]


def test_the_number_for_names_is_drawn_once(store: RecordedStore, database: Database) -> None:
    assert store.pseudonyms_drawn() == RecordedStore(database).pseudonyms_drawn() > 0
