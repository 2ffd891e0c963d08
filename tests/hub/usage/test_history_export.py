"""What happened is exported for admins, and simulated again; no other name is in it."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from sublet_hub.errors import BadRequestError
from sublet_hub.ledger.charged_hours import ChargedHourStore
from sublet_hub.ledger.database import Database
from sublet_hub.ledger.ledger import Ledger
from sublet_hub.ledger.recorded import (
    GRANTED,
    QUEUED,
    AskRecord,
    CardRecord,
    CardState,
    CellBlock,
    Happened,
    MovesOfHour,
    RecordedStore,
)
from sublet_hub.ledger.records import Change, GpuRecord, SliceRecord
from sublet_hub.usage.recorded import history_export
from sublet_hub.usage.recorded.history_export import Export, HistoryExports
from sublet_hub.usage.recorded.stretches import Stretch, packed
from sublet_quota.budgets.charge import HeldKind, HeldTime
from sublet_quota.budgets.spending import ChargedHour
from sublet_quota.closed_loop.asks.asked import AskedJob, AskedServer, CardSpeeds, Cell
from sublet_quota.closed_loop.history.happened import Answer, History, PastJob, PastServer
from sublet_quota.closed_loop.history.history_table import read_history
from sublet_quota.closed_loop.history.replay import cards_of, speeds_of
from sublet_quota.life_cycles.job_states import JobState
from sublet_quota.names.ids import GpuId, GroupName, JobId, NodeId, SliceId, UserName
from sublet_quota.residency.snapshot import Holder
from sublet_quota.wire.history import HistoryDay

from tests.support.ledger_cases import a_job
from tests.support.ledger_records import a_slice_record
from tests.support.migrated_ledger import migrated_ledger
from tests.support.quota_documents import document

pytestmark = pytest.mark.asyncio
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
GPU = GpuRecord(GpuId("GPU-1"), NodeId("node-a"), 0, "H100", 81 * 1024, 1024, simulated=True)
DOCUMENT = document("groups: {lab: {}, other: {}}")


class Past:
    """A ledger in which things happen at stated times."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.ledger = Ledger(database)
        self.store = RecordedStore(database)
        self.charged = ChargedHourStore(database)
        self.ledger.apply(Change(gpus=(GPU,)), NOON)
        opened = CardRecord(
            "GPU-1", NOON - 9 * HOUR, "node-a", 0, "H100", 81 * 1024, 1024, CardState.OPEN
        )
        self.store.add(Happened(cards=(opened,)))

    def slice(self, slice_id: str, at: datetime, owner: str = "ada", **values: Any) -> SliceRecord:
        facts = {"memory_mib": 40 * 1024, "compute_milli": 500, "group": GroupName("lab"), **values}
        record = a_slice_record(slice_id, owner, GPU, created_at=at, **facts)
        self.ledger.apply(Change(slices=(record,)), at)
        return record

    def release(self, slice_id: str, at: datetime) -> None:
        self.ledger.apply(Change(released=(SliceId(slice_id),)), at)

    def ask(self, ask_id: str, at: datetime, answer: str, **values: Any) -> AskRecord:
        facts: dict[str, Any] = {
            "owner": "ada",
            "server": "",
            "groups": ("lab",),
            "group": None,
            "size": "half",
            "memory_mib": None,
            "compute_milli": None,
            "gpu_type": None,
            "never_suspended": False,
            "answer": answer,
            "slice_id": ask_id if answer == GRANTED else None,
            "at": at,
            "last_at": at,
        }
        ask = AskRecord(ask_id=ask_id, **{**facts, **values})
        self.store.add(Happened(asks=(ask,)))
        return ask

    def works(self, slice_id: str, *stretches: Stretch) -> None:
        block = CellBlock(slice_id, stretches[-1].ended, packed(stretches))
        self.store.add(Happened(cells=(block,)))

    async def lines(self, hours: float = 24, **values: Any) -> list[str]:
        export = Export(NOON, NOON + hours * HOUR, **values)
        exports = HistoryExports(self.database, self.charged, lambda: DOCUMENT)
        lines: list[str] = []
        for number in range(export.days):
            day = HistoryDay.model_validate_json(await exports.day(export, number))
            assert day.days == export.days
            lines += day.lines
        return lines

    async def told(self, hours: float = 24, **values: Any) -> History:
        return read_history(await self.lines(hours, **{"names": True, **values}))


@pytest.fixture
def past(tmp_path: Path) -> Iterator[Past]:
    database = migrated_ledger(tmp_path / "ledger.sqlite")
    yield Past(database)
    database.close()


def at(minutes: float) -> datetime:
    return NOON + minutes * MINUTE


async def test_more_cells_than_memory_has_room_for_are_refused_in_words(
    past: Past, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history_export, "MOST_STRETCHES", 2)
    past.slice("s1", at(5))
    past.works("s1", *(Stretch(at(7 + n), timedelta(), MINUTE / 2, 1) for n in range(3)))
    with pytest.raises(BadRequestError, match="more than 2 cells"):
        await past.told()


async def test_a_server_is_told_with_its_cells_and_what_they_waited(past: Past) -> None:
    past.ask("s1", at(5), GRANTED)
    past.slice("s1", at(5))
    past.works(
        "s1",
        Stretch(at(7), timedelta(), MINUTE, 10 * 1024),
        Stretch(at(20), 2 * MINUTE, MINUTE, 20 * 1024),
    )
    past.release("s1", at(30))
    (server,) = (await past.told()).past
    assert server == PastServer(
        AskedServer(
            name="s-s1",
            at=at(5),
            owner="ada",
            groups=("lab",),
            size="half",
            cells=(Cell(2 * MINUTE, MINUTE), Cell(12 * MINUTE, MINUTE)),
            stays=7 * MINUTE,
            fills=Fraction(1, 2),
            patience=2 * HOUR,
        ),
        Answer(timedelta(), GroupName("lab")),
        (timedelta(), 2 * MINUTE),
    )


async def test_who_was_refused_and_asked_again_waited_from_the_first_time(past: Past) -> None:
    past.ask("r1", at(0), "no-room", last_at=at(10))
    past.ask("r2", at(30), "no-room")
    past.ask("s1", at(50), GRANTED)
    past.slice("s1", at(50))
    (server,) = (await past.told()).past
    assert server.asked.at == NOON
    assert server.answer == Answer(50 * MINUTE, GroupName("lab"))


async def test_who_gave_up_is_told_with_the_last_reason_and_their_patience(past: Past) -> None:
    past.ask("r1", at(0), "no-room", last_at=at(10))
    past.ask("r2", at(40), "group-limit")
    past.ask("r3", at(300), "no-room")
    one, other = (await past.told()).past
    assert one.answer == Answer(None, GroupName("lab"), "group-limit")
    assert isinstance(one.asked, AskedServer)
    assert one.asked.patience == 40 * MINUTE
    assert (other.asked.at, other.answer.refused) == (at(300), "no-room")


async def test_who_waited_in_line_waited_till_the_turn_came(past: Past) -> None:
    past.ask("q1", at(0), QUEUED)
    past.ask("s1", at(200), GRANTED)
    past.slice("s1", at(200))
    past.ask("q2", at(10), QUEUED, owner="ben")
    ada, ben = (await past.told()).past
    assert ada.answer.got == 200 * MINUTE
    assert (ben.answer.got, ben.answer.refused) == (None, "left-line")


async def test_a_server_that_ran_before_goes_on_with_what_was_left(past: Past) -> None:
    past.ask("s1", at(-60), GRANTED)
    past.slice("s1", at(-60))
    past.works("s1", Stretch(at(-50), MINUTE, MINUTE, 1), Stretch(at(10), MINUTE, MINUTE, 1))
    (server,) = (await past.told(hours=1)).past
    assert isinstance(server, PastServer)
    assert isinstance(server.asked, AskedServer)
    assert (server.asked.at, server.answer.was_there) == (NOON, True)
    assert server.asked.cells == (Cell(10 * MINUTE, MINUTE),)
    assert server.asked.stays == 48 * MINUTE


async def test_each_server_is_told_on_one_day(past: Past) -> None:
    past.ask("r0", at(-20), "no-room")
    past.ask("s0", at(10), GRANTED)
    past.slice("s0", at(10))
    past.release("s0", at(20))
    past.ask("q1", at(24 * 60 - 10), QUEUED, owner="ben", server="b")
    past.ask("s1", at(24 * 60 + 10), GRANTED, owner="ben", server="b")
    past.slice("s1", at(24 * 60 + 10), "ben", server="b")
    past.release("s1", at(24 * 60 + 20))
    past.slice("s2", at(24 * 60 + 30), "cleo", server="c")
    told = (await past.told(hours=48)).past
    assert [(each.asked.owner, each.answer.got) for each in told] == [
        ("ada", timedelta()),
        ("ben", 20 * MINUTE),
        ("cleo", timedelta()),
    ]


async def test_a_job_computed_as_long_as_it_was_held_and_not_off(past: Past) -> None:
    job = replace(
        a_job("j1"),
        state=JobState.DONE,
        submitted_at=at(0),
        ended_at=at(70),
        owner=UserName("ada"),
        groups=("lab",),
        group=GroupName("lab"),
        max_run_s=7200,
        memory_mib=None,
    )
    past.ledger.apply(Change(jobs=(job,)), at(0))
    past.slice(
        "of-j1", at(10), holder=Holder.JOB, job_id=JobId("j1"), memory_mib=80 * 1024, server=""
    )
    past.release("of-j1", at(70))
    history = await past.told()
    (told,) = history.past
    assert isinstance(told, PastJob)
    assert isinstance(told.asked, AskedJob)
    assert (told.answer.got, told.asked.works) == (10 * MINUTE, HOUR)
    assert (told.asked.cards, told.asked.max_run) == (1, 2 * HOUR)
    (jobs,) = (each for each in history.hours if each.kind == "jobs")
    assert (jobs.payer, jobs.lasted) == ("lab", HOUR)


async def test_cards_moves_and_hours_are_told(past: Past) -> None:
    failed = CardRecord("GPU-1", at(90), "node-a", 0, "H100", 82944, 1024, CardState.FAILED)
    moves = (
        MovesOfHour(NOON, "node-a", leaves=True, moves=2, moved_mib=12_000, took_s=2.6),
        MovesOfHour(NOON, "node-b", leaves=False, moves=1, moved_mib=6_000, took_s=1.3),
    )
    past.store.add(Happened(cards=(failed,), moves=moves))
    time = HeldTime(HeldKind.IDLE, entitled=False, held_us=1, card_us=1_800_000_000)
    hour = ChargedHour(NOON, GroupName("lab"), UserName("ada"), "H100", time)
    past.charged.add([hour], at(60))
    history = await past.told()
    cards = cards_of(history)
    assert [each.gpu_id for each in cards.first] == ["GPU-1"]
    assert [str(each.verb) for each in cards.changes] == ["fail"]
    assert {(each.leaves, each.memory_mib) for each in history.moves} == {
        (True, 12_000),
        (False, 6_000),
    }
    assert speeds_of(history, CardSpeeds()).suspend_mib_per_s == 6000
    (idle,) = history.hours
    assert (idle.payer, idle.kind, idle.lasted) == ("lab", "idle", 30 * MINUTE)


CANARIES = ("ada-canary", "server-canary", "note-canary.ipynb", "token-canary")


async def test_no_name_of_a_person_server_or_notebook_is_in_it(past: Past) -> None:
    past.ask("s1", at(1), GRANTED, owner="ada-canary", server="server-canary")
    past.slice("s1", at(1), "ada-canary", server="server-canary")
    job = replace(
        a_job("j1"),
        owner=UserName("ada-canary"),
        notebook="note-canary.ipynb",
        name="note-canary.ipynb",
        submitted_at=at(2),
        groups=("lab",),
        group=GroupName("lab"),
    )
    past.ledger.apply(Change(jobs=(job,)), at(2))
    text = "\n".join(await past.lines())
    assert not [canary for canary in CANARIES if canary in text]
    assert "lab" in text
    server, same = read_history(text.splitlines()).past
    assert server.asked.owner == same.asked.owner
    assert server.asked.owner.startswith("person-")
    assert "\n".join(await past.lines()) == text
    hidden = "\n".join(await past.lines(hide_groups=True))
    assert "lab" not in hidden
    assert "group-" in hidden


async def test_with_names_only_persons_are_named(past: Past) -> None:
    past.ask("s1", at(1), GRANTED, owner="ada-canary", server="server-canary")
    past.slice("s1", at(1), "ada-canary", server="server-canary")
    text = "\n".join(await past.lines(names=True))
    assert [canary for canary in CANARIES if canary in text] == ["ada-canary"]


async def test_a_name_that_would_be_a_formula_is_none(past: Past) -> None:
    past.ask("s1", at(1), GRANTED, owner="=1+1", groups=("@lab", "a b"))
    past.slice("s1", at(1), "=1+1")
    lines = await past.lines(names=True)
    assert not [cell for line in lines for cell in line.split(",") if cell[:1] in "=@+-" and cell]
    (server,) = read_history(lines).past
    assert (server.asked.owner, server.asked.groups) == ("=1+1", ("@lab", "a b"))
