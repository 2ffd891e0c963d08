"""Simulated jobs beside cards that are free: where they begin, and where they go."""

from datetime import datetime, timedelta
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from sublet_quota.closed_loop.asks.asked import AskedServer, Cell
from sublet_quota.closed_loop.cluster import Cluster
from sublet_quota.closed_loop.record.records import Record
from sublet_quota.jobs.standing_jobs import Leaving, jobs_that_leave
from sublet_quota.names.ids import SliceId

from tests.support.loop_cases import HOUR, MINUTE, MONDAY, a_server, cards, jobs, scene
from tests.support.loop_rules import watched

TWICE = "pools: [{name: all, default: true, memory_overcommit: 2, compute_overcommit: 2}]"


def late(record: Record, works: timedelta, at: timedelta) -> dict[str, timedelta]:
    """How much later than on a card of its own each job was done."""
    return {name: done - MONDAY - at - works for name, done in record.jobs_done.items()}


def test_jobs_go_where_nobody_comes_back() -> None:
    cells = [Cell(MINUTE, MINUTE), Cell(2 * HOUR, 6 * HOUR)]
    owner = a_server("owner", part="1/2", cells=cells, stays=HOUR)
    asked = [owner, *jobs("job", "", 3, "1/3", 2 * HOUR, at=HOUR)]
    record = watched(scene(TWICE, asked, 12 * HOUR, on=cards(3)))
    assert len(record.jobs_done) == 3
    assert max(late(record, 2 * HOUR, HOUR).values()) <= 2 * MINUTE
    # Nothing had to leave: the owner's cells began at once.
    assert all(each.waited == timedelta() for each in record.cells)
    assert not record.moves


def owner(name: str, *cells: Cell, part: str = "1") -> AskedServer:
    return a_server(name, part=part, cells=cells, stays=10 * HOUR)


def test_a_job_goes_on_where_a_card_becomes_free() -> None:
    """One owner comes back for hours; on the other cards owners end their work soon after."""
    back, busy = Cell(2 * HOUR, 6 * HOUR), Cell(MINUTE, 150 * MINUTE)
    owners = [owner("a", Cell(MINUTE, MINUTE), back), owner("b", busy), owner("c", busy)]
    asked = [*owners, *jobs("job", "", 3, "1/3", 2 * HOUR, at=HOUR)]
    record = watched(scene(TWICE, asked, 12 * HOUR, on=cards(3)))
    assert len(record.jobs_done) == 3
    # They stand still for half an hour, and until the owner there counts as idle.
    assert max(late(record, 2 * HOUR, HOUR).values()) <= 43 * MINUTE
    assert {each.after for each in record.card_changes} <= {"h1", "h2"}
    assert len(record.card_changes) == 3


def test_a_job_moves_once_and_not_to_and_fro() -> None:
    """Two owners work in turns, ten minutes each: a job that followed would do little else."""
    turns = [Cell(30 * MINUTE, 30 * MINUTE)] * 12
    owners = [owner("a", *turns), owner("b", Cell(MINUTE, MINUTE), *turns)]
    asked = [*owners, *jobs("job", "", 1, "1", 4 * HOUR, at=30 * MINUTE)]
    record = watched(scene(TWICE, asked, 12 * HOUR, on=cards(2)))
    moved = sorted(each.at for each in record.card_changes)
    assert all(after - before >= 10 * MINUTE for before, after in pairwise(moved))


def test_who_has_not_begun_beside_an_owner_begins_elsewhere() -> None:
    """On another node, too: there is nothing to take along."""
    owners = [
        owner("a", Cell(MINUTE, 6 * HOUR), part="1/2"),
        owner("b", Cell(MINUTE, 90 * MINUTE), part="1"),
    ]
    asked = [*owners, *jobs("job", "", 1, "1/3", HOUR, at=HOUR)]
    record = watched(scene(TWICE, asked, 12 * HOUR, on=cards(2, a_node=1)))
    assert [each.name for each in record.sent_back] == ["job-0"]
    # The owner's card is lent ten minutes after their cell has ended.
    assert late(record, HOUR, HOUR)["job-0"] <= 45 * MINUTE


def test_a_job_of_a_guarantee_stays_on_its_groups_card() -> None:
    text = f"{TWICE}\ngroups: {{lab: {{guaranteed: {{H100: 1}}}}}}"
    cells = [Cell(MINUTE, MINUTE), Cell(2 * HOUR, 6 * HOUR)]
    asked = [owner("a", *cells, part="1/2"), *jobs("job", "lab", 1, "1", 2 * HOUR, at=HOUR)]
    record = watched(scene(text, asked, 12 * HOUR, on=cards(3)))
    assert not record.card_changes


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.sampled_from(("1/4", "1/3", "1/2", "1")), max_size=5),
    st.lists(
        st.tuples(st.sampled_from(("1/8", "1/3", "1/2", "1")), st.integers(0, 90)), max_size=8
    ),
    st.integers(1, 3),
    st.integers(1, 2),
)
def test_where_no_owner_wakes_a_job_that_has_its_place_begins(
    parts: list[str], asks: list[tuple[str, int]], number: int, a_node: int
) -> None:
    """However little of their cards owners leave, and whatever other jobs are there."""
    owners = [
        owner(f"o{at}", Cell(MINUTE, (1 + at) * MINUTE), part=part) for at, part in enumerate(parts)
    ]
    asked = [
        job
        for at, (part, minute) in enumerate(asks)
        for job in jobs(f"job{at}", "", 1, part, HOUR, at=30 * MINUTE + minute * MINUTE)
    ]
    record = watched(scene(TWICE, [*owners, *asked], 12 * HOUR, on=cards(number, a_node=a_node)))
    ran = {}
    for run in record.runs:
        ran.setdefault(run.slice_id, run.began)
    for held in record.held_slices:
        if held.who.is_job:
            assert ran[held.slice_id] - held.began <= MINUTE, held.slice_id
    assert not record.sent_back
    assert not record.card_changes


CELLS = st.lists(
    st.builds(
        lambda thinks, works: Cell(thinks * MINUTE, works * MINUTE),
        st.integers(1, 120),
        st.integers(1, 120),
    ),
    min_size=1,
    max_size=4,
)


@settings(max_examples=12, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(("1/3", "1/2", "1")), CELLS), min_size=1, max_size=4),
    st.lists(
        st.tuples(st.sampled_from(("1/4", "1/3", "1/2", "1")), st.integers(0, 240)),
        min_size=1,
        max_size=6,
    ),
    st.integers(2, 4),
    st.integers(1, 4),
)
def test_no_job_stands_still_for_long_beside_a_card_that_is_free_for_long(
    people: list[tuple[str, list[Cell]]], asks: list[tuple[str, int]], number: int, a_node: int
) -> None:
    owners = [owner(f"o{at}", *cells, part=part) for at, (part, cells) in enumerate(people)]
    asked = [
        job
        for at, (part, minute) in enumerate(asks)
        for job in jobs(f"job{at}", "", 1, part, 2 * HOUR, at=minute * MINUTE)
    ]
    cluster = Cluster(scene(TWICE, [*owners, *asked], 12 * HOUR, on=cards(number, a_node=a_node)))
    might_go: dict[SliceId, datetime] = {}
    while cluster.step():
        now, could = cluster.clock.now, {each.slice_id for each in could_leave(cluster)}
        might_go = {each: might_go.get(each, now) for each in could}
        longest = max((now - since for since in might_go.values()), default=timedelta())
        # A round is at most a minute away.
        assert longest <= MINUTE, might_go
    moved: dict[SliceId, datetime] = {}
    for change in cluster.finish().card_changes:
        before = moved.get(change.slice_id)
        assert before is None or change.at - before >= 5 * MINUTE
        moved[change.slice_id] = change.at


def could_leave(cluster: Cluster) -> tuple[Leaving, ...]:
    """Which jobs are due to leave for a card that is free now."""
    queue, now = cluster.jobs, cluster.clock.now
    queue._come_under()
    return jobs_that_leave(queue._standing.due(queue._on_one_card), queue._free_gpus(), now)
