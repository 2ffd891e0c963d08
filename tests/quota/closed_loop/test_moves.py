"""Simulated slices that go to another card of their node, alive, and come to rest there."""

from datetime import timedelta
from fractions import Fraction

import pytest
from sublet_quota.closed_loop.asks.asked import CardSpeeds
from sublet_quota.closed_loop.cluster import Cluster
from sublet_quota.closed_loop.figures import figures_of
from sublet_quota.closed_loop.people import Habits, Person, days_of
from sublet_quota.residency.snapshot import Rank

from tests.support.loop_cases import H100, HOUR, MINUTE, MONDAY, a_server, cards, scene
from tests.support.loop_rules import watched

POOL = "pools: [{name: one, memory_overcommit: 1, compute_overcommit: 1, default: true}]\n"
SPEEDS = CardSpeeds()
MOVING_S = SPEEDS.out_s(H100.memory_mib) + SPEEDS.back_s(H100.memory_mib)


@pytest.mark.parametrize("works", [MINUTE, 2 * HOUR])
def test_room_that_is_there_in_pieces_is_had_by_a_move(works: timedelta) -> None:
    """At work or at rest: who goes to the other card loses nothing but the time of the move."""
    asked = [
        *(a_server(f"stays{n}", part="1/2", at=n * MINUTE, cells=99, works=works) for n in (0, 2)),
        *(a_server(f"leaves{n}", part="1/2", at=n * MINUTE, stays=5 * MINUTE) for n in (1, 3)),
        a_server("whole", part="1", at=15 * MINUTE, cells=3),
    ]
    cluster = Cluster(scene(POOL, asked, 30 * HOUR))
    record = watched(cluster)
    assert {each.rank for each in record.answers} == {Rank.BORROWED}
    (change,) = record.card_changes
    assert change.slice_id in {"stays0", "stays2"}
    # It runs on until somebody wants its room there.
    assert (change.at - MONDAY - 16 * MINUTE).total_seconds() <= 2 * MOVING_S
    waited = [cell.waited for cell in record.cells if cell.slice_id == "whole"]
    assert max(waited).total_seconds() <= MOVING_S
    assert [each.called_back for each in record.places] == [True, False]
    assert sum(cell.slice_id == change.slice_id for cell in record.cells) > 9
    assert not record.ended_idle


TURNS = """
pools: [{name: one, memory_overcommit: 1.5, compute_overcommit: 1.5, default: true}]
groups: {science: {guaranteed: {H100: 2}}, guests: {}}
"""


@pytest.mark.parametrize("seed", range(2))
def test_entitled_ones_take_no_turns_while_another_card_of_their_group_has_room(seed: int) -> None:
    """Cells of one group, two of which are more than a card, wait for memory alone."""
    parts = ("2/3", "1/3")
    people = [
        Person(
            f"{group}-{part}-{n}",
            (group,),
            Habits(cards=Fraction(part), comes_today=1, jobs_a_day=0, works=15 * MINUTE),
        )
        for group in ("science", "guests")
        for part in parts
        for n in range(3)
    ]
    lasts = timedelta(days=2)
    asked = days_of(people, MONDAY, MONDAY + lasts, seed)
    figures = figures_of(watched(scene(TURNS, asked, lasts, on=cards(4))))
    entitled = figures.cells[Rank.ENTITLED]
    assert entitled.count > 40
    assert entitled.most_of_99_s <= MOVING_S
    assert figures.card_changes <= 2 * len(parts) * 3
    assert figures.moves_an_hour < 4


def test_once_all_have_moved_nothing_moves_any_more() -> None:
    """Sizes that come and go for days: each decision may move some, and none goes back for it."""
    sizes = ("1/4", "1/2", "1")
    people = [
        Person(
            f"{size}-{n}",
            ("lab",),
            Habits(cards=Fraction(size), comes_today=1, jobs_a_day=0, patience=4 * HOUR),
        )
        for size in sizes
        for n in range(4)
    ]
    lasts = timedelta(days=2)
    asked = days_of(people, MONDAY, MONDAY + lasts, 3)
    text = POOL + "groups: {lab: {guaranteed: {H100: 1}}, other: {}}"
    record = watched(scene(text, asked, lasts, on=cards(3)))
    assert record.card_changes
    assert figures_of(record).flaps == 0
    granted = sum(each.rank is not None for each in record.answers)
    assert len(record.card_changes) <= granted
