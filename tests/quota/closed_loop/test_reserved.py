"""Simulated hours with a reservation: others make way before it, and who comes waits for nobody."""

from datetime import timedelta

import pytest
from sublet_quota.closed_loop.record.records import Record
from sublet_quota.placement.reserved_room import LOOK_AHEAD
from sublet_quota.residency.snapshot import Rank

from tests.support.loop_cases import HOUR, MINUTE, MONDAY, a_server, cards, jobs, scene
from tests.support.loop_rules import watched

BEGIN = MONDAY + 14 * HOUR
TEXT = """
groups: {course: {members: [course]}, guests: {}, trainers: {}}
reservations:
  - {name: lab, for: course, guaranteed: {H100: 4}, at: "Mon 14:00-16:00", zone: UTC,
     until: 2026-12-15}
"""


def lab(text: str = "") -> Record:
    guests = [
        a_server(f"g{n}", "guests", "1", at=HOUR, cells=40, works=30 * MINUTE) for n in range(4)
    ]
    class_ = [
        a_server(f"c{n}", "course", "1/4", at=14 * HOUR, cells=3, thinks=timedelta())
        for n in range(16)
    ]
    return watched(scene(TEXT + text, [*guests, *class_], 30 * HOUR, on=cards(4)))


@pytest.mark.parametrize("text", ["", "notebooks: {when_full: queue}"])
def test_at_the_begin_all_is_there_that_is_reserved(text: str) -> None:
    record = lab(text)
    first = {each.slice_id: each for each in record.cells[::-1] if each.who.group == "course"}
    assert len(first) == 16
    assert {each.rank for each in first.values()} == {Rank.ENTITLED}
    assert {each.waited for each in first.values()} == {timedelta()}
    of_class = [answer for answer in record.answers if answer.name.startswith("c")]
    assert {answer.at for answer in of_class} == {BEGIN}
    assert record.line == []


def test_jobs_that_lie_in_reserved_room_are_away_at_the_begin_and_go_on_afterwards() -> None:
    class_ = [
        a_server(f"c{n}", "course", "1/4", at=14 * HOUR, cells=3, thinks=timedelta())
        for n in range(16)
    ]
    asked = [*jobs("j", "trainers", 4, works=20 * HOUR), *class_]
    record = watched(scene(TEXT, asked, 40 * HOUR, on=cards(4)))
    first = {each.slice_id: each for each in record.cells[::-1] if each.who.group == "course"}
    assert {each.waited for each in first.values()} == {timedelta()}
    left = {each.slice_id: each.at for each in record.moves if each.leaves}
    assert set(left) == {f"j-{n}" for n in range(4)}
    assert all(BEGIN - LOOK_AHEAD <= at < BEGIN for at in left.values())
    assert set(record.jobs_done) == set(left)


def test_others_make_way_shortly_before_once_and_are_back_when_it_is_over() -> None:
    record = lab("pools: [{name: one, memory_overcommit: 1, default: true}]")
    away = [change for change in record.places if change.called_back]
    assert {change.slice_id for change in away} == {f"g{n}" for n in range(4)}
    assert len(away) == 4
    assert all(BEGIN - LOOK_AHEAD <= change.at < BEGIN for change in away)
    back = [change.at for change in record.places if not change.called_back]
    # The class is over after some minutes: its room is lent again, and was kept till then.
    assert len(back) == 4
    assert all(BEGIN < at <= BEGIN + 2 * HOUR for at in back)
    assert {f"g{n}" for n in range(4)} <= set(record.servers_left)
