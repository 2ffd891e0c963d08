"""Simulated days with a line: who is next, how long it takes, and that nobody is overtaken."""

from datetime import timedelta
from fractions import Fraction

import pytest
from sublet_quota.closed_loop.cluster import Cluster
from sublet_quota.closed_loop.figures import figures_of
from sublet_quota.closed_loop.people import Habits, Person, days_of
from sublet_quota.residency.snapshot import Rank
from sublet_quota.server_queue.turns import next_placed

from tests.support.loop_cases import HOUR, MINUTE, MONDAY, a_server, cards, scene
from tests.support.loop_rules import watched

POOL = "pools: [{name: one, memory_overcommit: 1, compute_overcommit: 1, default: true}]\n"
LINE = POOL + "notebooks: {when_full: queue, wait_most: 6h}\n"
HABITS = Habits(cards=Fraction(1, 2), comes_today=1, jobs_a_day=0, patience=6 * HOUR)
GROUPS = LINE + "groups: {science: {guaranteed: {H100: 1}, weight: 2}, guests: {}}"


@pytest.mark.parametrize("seed", range(2))
def test_days_of_people_who_wait_in_line(seed: int) -> None:
    lasts = timedelta(days=2)
    people = [
        Person(f"{group}-{n}", (group,), HABITS)
        for group in ("science", "guests")
        for n in range(7)
    ]
    asked = days_of(people, MONDAY, MONDAY + lasts, seed)
    cluster = Cluster(scene(GROUPS, asked, lasts))
    figures = figures_of(watched(cluster))
    assert figures.refused_within_guarantee == 0
    assert figures.line[Rank.BORROWED].count > 5
    # Replayed on what came of it, the line gives nobody anything.
    assert next_placed(cluster.holdings, cluster.servers.line.ordered()) is None


def test_who_is_within_a_guarantee_waits_for_nobody_in_line() -> None:
    asked = [
        *(a_server(f"g{n}", "guests", "1/2", cells=200, patience=9 * HOUR) for n in range(8)),
        *(a_server(f"s{n}", "science", "1/2", at=HOUR, cells=9) for n in range(2)),
    ]
    record = watched(Cluster(scene(GROUPS, asked, 12 * HOUR)))
    of_science = [answer for answer in record.answers if answer.name.startswith("s")]
    assert [answer.at for answer in of_science] == [MONDAY + HOUR] * 2
    assert {answer.rank for answer in of_science} == {Rank.ENTITLED}
    assert {each.name for each in record.line} <= {f"g{n}" for n in range(8)}


def test_equals_have_their_turns_in_the_order_in_which_they_came() -> None:
    asked = [
        a_server(f"s{n}", part="1", at=n * MINUTE, cells=30, stays=(1 + n % 3) * HOUR)
        for n in range(2)
    ] + [a_server(f"w{n}", part="1", at=(2 + n) * MINUTE, patience=24 * HOUR) for n in range(6)]
    text = LINE.replace("6h", "24h")
    record = watched(Cluster(scene(text, asked, 24 * HOUR)))
    assert [each.name for each in record.line] == [f"w{n}" for n in range(6)]
    assert all(each.rank is Rank.BORROWED for each in record.line)


def test_small_ones_that_come_later_do_not_starve_a_whole_card() -> None:
    asked = [
        *(a_server(f"s{n}", part="1/4", cells=30, works=(1 + n) * MINUTE) for n in range(8)),
        a_server("whole", part="1", at=2 * MINUTE, patience=24 * HOUR),
        *(
            a_server(f"l{n}", part="1/4", at=(3 + n) * MINUTE, cells=40, patience=24 * HOUR)
            for n in range(40)
        ),
    ]
    text = LINE.replace("6h", "24h")
    record = watched(Cluster(scene(text, asked, 24 * HOUR)))
    (whole,) = (each for each in record.line if each.name == "whole")
    # The longest of four that were there before on one card.
    assert whole.rank is not None
    assert whole.until - MONDAY <= 30 * (8 + 1) * MINUTE + 5 * MINUTE


def test_who_waits_too_long_or_has_no_more_patience_leaves_the_line() -> None:
    asked = [
        a_server("held", part="1", stays=23 * HOUR),
        a_server("short", part="1", at=MINUTE, patience=HOUR),
        a_server("long", part="1", at=MINUTE, patience=20 * HOUR),
    ]
    record = watched(Cluster(scene(LINE, asked, 24 * HOUR, on=cards(1))))
    left = {each.name: each.until - each.since for each in record.line if each.rank is None}
    assert left == {"short": HOUR, "long": 6 * HOUR}
    assert figures_of(record).line_left == 2
