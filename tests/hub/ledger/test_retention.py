"""What the ledger keeps, for how long and how much of it: ended jobs, events, hours of use."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import OperationalError
from sublet_hub.jobs import changes
from sublet_hub.ledger import ended_jobs as ended_jobs_module
from sublet_hub.ledger.database import Database, EventQuery, LedgerWriteError
from sublet_hub.ledger.ended_jobs import EndedJob
from sublet_hub.ledger.ledger import Ledger
from sublet_hub.ledger.records import (
    Change,
    EventRecord,
)
from sublet_hub.usage.store import HourOfUse, UseStore
from sublet_quota.life_cycles.job_states import JobMove, JobState
from sublet_quota.names.ids import JobId, SliceId, UserName

from tests.support.ledger_cases import BY_OWNER, GPU, NOW, a_job, a_slice


def test_what_ended_long_ago_is_forgotten_and_nothing_else(database: Database) -> None:
    ledger = Ledger(database)
    old, waiting = a_job("old"), a_job("waiting")
    ledger.apply(Change(gpus=(GPU,), slices=(a_slice(),), jobs=(old, waiting)), NOW)
    ledger.apply(changes.ended(old, JobMove.CANCEL, NOW, BY_OWNER), NOW)
    later = NOW + timedelta(days=91)
    ledger.apply(Change(events=(EventRecord("new", later, "slice-kept"),)), later)
    assert ledger.forget_before(later - timedelta(days=90)) == (JobId("old"),)
    assert list(ledger.jobs) == [JobId("waiting")]
    assert list(ledger.slices) == [SliceId("s1")]
    assert [e.event_id for e in ledger.events(EventQuery(None, None, 10))] == ["new"]


def test_an_owner_has_so_many_ended_jobs_and_those_that_ran_stay_longest(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ended_jobs_module, "MOST_ENDED_JOBS", 3)
    monkeypatch.setattr(ended_jobs_module, "_NEWEST_STAY", 1)
    ledger = Ledger(database)
    told: list[JobId] = []
    ledger.listen(lambda change: told.extend(change.forgotten))
    bobs = replace(a_job("bobs"), owner=UserName("bob"))
    ledger.apply(Change(jobs=(bobs, a_job("waits"))), NOW)
    for number, name in enumerate(("ran-1", "a", "ran-2", "b", "c", "ran-3")):
        began = NOW if name.startswith("ran") else None
        job = replace(a_job(name), started_at=began)
        at = NOW + timedelta(minutes=number)
        ledger.apply(Change(jobs=(job,)), at)
        ledger.apply(changes.ended(job, JobMove.CANCEL, at, BY_OWNER), at)
    assert told == ["a", "b", "c"]
    assert set(ledger.jobs) == {"bobs", "waits", "ran-1", "ran-2", "ran-3"}
    assert dict(Ledger(database).jobs) == dict(ledger.jobs)
    assert ledger.forget_before(NOW - timedelta(days=1)) == ("a", "b", "c")
    assert ledger.forget_before(NOW - timedelta(days=1)) == ()


def test_events_are_read_page_by_page_also_those_of_one_moment(database: Database) -> None:
    ledger = Ledger(database)
    names = ("a", "B", "é", "b-1", "Z", "a/2", "_", "~")
    told = tuple(
        EventRecord(name, NOW + timedelta(seconds=number // 4), "evicted", owner="ada")
        for number, name in enumerate(names)
    )
    ledger.add_events(told)
    whole = ledger.events(EventQuery(None, "ada", 100))
    assert {event.event_id for event in whole} == set(names)
    read: tuple[EventRecord, ...] = ()
    before = None
    while page := ledger.events(EventQuery(None, "ada", 3, before=before)):
        read = (*page, *read)
        before = (page[0].at, page[0].event_id)
    assert read == whole


def test_of_jobs_that_are_over_only_what_decisions_need_is_in_memory(database: Database) -> None:
    ledger = Ledger(database)
    large = replace(a_job(), take_along=("\N{SNAKE}" * 1000,) * 4, started_at=NOW, gpus_held=0.5)
    ledger.apply(Change(jobs=(large,)), NOW)
    ledger.apply(changes.ended(large, JobMove.CANCEL, NOW, BY_OWNER), NOW)
    for each in (ledger, Ledger(database)):
        facts = each.job_facts(large.job_id)
        assert isinstance(facts, EndedJob)
        assert (facts.owner, facts.groups, facts.gpus_held) == ("ada", ("lab",), 0.5)
        assert (facts.state, facts.ended_at) == (JobState.CANCELLED, NOW)
        assert list(each.all_job_facts()) == list(each.ended_jobs_of_owner(large.owner)) == [facts]
        assert each.live_jobs_of_owner(large.owner) == ()
        (whole,) = each.newest_jobs(large.owner, None, 10)
        assert whole == each.jobs[large.job_id]
        assert (whole.take_along, whole.parameters) == (large.take_along, large.parameters)


def test_use_is_added_to_what_its_owner_has_of_the_hour_and_begun_for_others(
    database: Database,
) -> None:
    store = UseStore(database)
    hour = datetime(2026, 11, 29, 9, tzinfo=UTC)
    before = hour - timedelta(hours=1)
    store.add_use((HourOfUse("ada", before, 1), HourOfUse("ada", hour, 2, 3, 2**40, 5)))
    store.add_use((HourOfUse("ben", hour, 7), HourOfUse("ada", hour, 10, 10, 10, 10)))
    store.add_use(())
    assert store.use_since("ada", hour) == HourOfUse("ada", hour, 12, 13, 2**40 + 10, 15)
    assert store.use_since("ada", before) == HourOfUse("ada", before, 13, 13, 2**40 + 10, 15)
    assert store.use_since("ben", before) == HourOfUse("ben", before, 7)


def test_use_that_no_column_holds_is_dropped_and_all_others_is_stored(database: Database) -> None:
    store, hour = UseStore(database), datetime(2026, 11, 29, 9, tzinfo=UTC)
    store.add_use((HourOfUse("ada", hour, 1, 0, 2**62),))
    store.add_use(
        (HourOfUse("ada", hour, 1), HourOfUse("mal", hour, 1, 1, 10**30), HourOfUse("ben", hour, 3))
    )
    assert store.use_since("ada", hour) == HourOfUse("ada", hour, 2, 0, 2**62)
    assert store.use_since("mal", hour) == HourOfUse("mal", hour)
    assert store.use_since("ben", hour) == HourOfUse("ben", hour, 3)


def test_use_of_which_a_part_failed_to_be_stored_is_added_again_and_counts_once(
    database: Database,
) -> None:
    store, hour = UseStore(database), datetime(2026, 11, 29, 9, tzinfo=UTC)
    parts = tuple(
        HourOfUse(owner, hour, 1, 1, 10**30 if owner == "mal" else 1)
        for owner in ("ada", "mal", "zoe")
    )
    tried = []

    def fail_once(*told: object) -> None:
        tried.append("zoe" in str(told[3]))
        # All together, and then that one.
        if tried[-1] and tried.count(True) == 2:
            text = ""
            raise OperationalError(text, {}, Exception())

    sa.event.listen(database.engine, "before_cursor_execute", fail_once)
    with pytest.raises(LedgerWriteError):
        store.add_use(parts)
    store.add_use(parts)
    assert store.use_since("ada", hour) == HourOfUse("ada", hour, 1, 1, 1)
    assert store.use_since("zoe", hour) == HourOfUse("zoe", hour, 1, 1, 1)
    assert store.use_since("mal", hour) == HourOfUse("mal", hour)


def test_of_too_many_events_the_newest_are_kept(database: Database) -> None:
    ledger = Ledger(database)
    times = [NOW + timedelta(seconds=n) for n in range(10)]
    ledger.add_events(tuple(EventRecord(f"e{n}", at, "idle") for n, at in enumerate(times)))
    assert [ledger.forget_surplus_events(4), ledger.forget_surplus_events(4)] == [6, 0]
    left = ledger.events(EventQuery(None, None, 100))
    assert [event.event_id for event in left] == ["e6", "e7", "e8", "e9"]


def test_of_too_many_events_those_go_whose_node_or_owner_has_the_most(database: Database) -> None:
    ledger = Ledger(database)
    numbers = {("n1", "ada", "idle"): 9, ("n2", "ada", "idle"): 2, (None, "ben", "job-ended"): 8}
    numbers |= {(None, None, "quota-loaded"): 3, (None, None, "agent-connected"): 2}
    for (node, owner, kind), number in numbers.items():
        ledger.add_events(
            tuple(
                EventRecord(f"{node}{owner}{kind}{n}", NOW, kind, node=node, owner=owner)
                for n in range(number)
            )
        )
    assert [ledger.forget_surplus_events(15), ledger.forget_surplus_events(15)] == [9, 0]
    left = ledger.events(EventQuery(None, None, 100))
    assert Counter((e.node, e.owner, e.kind) for e in left) == {
        **numbers,
        ("n1", "ada", "idle"): 4,
        (None, "ben", "job-ended"): 4,
    }
