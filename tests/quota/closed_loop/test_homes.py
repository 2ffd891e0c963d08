"""Whose home is another card is found alike by who remembers and by who asks of everybody."""

from datetime import timedelta
from fractions import Fraction

import pytest
from sublet_quota.closed_loop.cluster import Cluster
from sublet_quota.closed_loop.people import Habits, Person, days_of
from sublet_quota.closed_loop.service.homes import Homes
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.holdings.layout.entitled_room import entitled_room
from sublet_quota.names.ids import GpuId, SliceId
from sublet_quota.placement.other_card import home_of

from tests.support.loop_cases import HOUR, MONDAY, cards, scene

TEXT = """
pools: [{name: one, memory_overcommit: 1.5, compute_overcommit: 1.5, default: true}]
groups: {science: {guaranteed: {H100: 3}}, teaching: {guaranteed: {H100: 2}}, guests: {}}
"""
RESERVED = """
reservations: [{name: c, for: guests, guaranteed: {H100: 1}, at: "Mon-Tue 14:00-16:00"}]
"""


def _day(text: str, parts: tuple[str, ...]) -> Cluster:
    """A day of people with slices of several sizes, whose cards are drained, and fail."""
    people = [
        Person(
            f"{group}-{part}-{n}",
            (group,),
            Habits(cards=Fraction(part), comes_today=1, jobs_a_day=1, patience=4 * HOUR),
        )
        for group in ("science", "teaching", "guests")
        for part in parts
        for n in range(3)
    ]
    lasts = timedelta(days=1)
    asked = days_of(people, MONDAY, MONDAY + lasts, 1)
    changes = ["day 1 12:00: drain h1", "day 1 14:00: open h1", "day 1 15:00: fail h4"]
    return Cluster(scene(text, asked, lasts, on=cards(8, a_node=4), card_changes=changes))


@pytest.mark.parametrize("text", [TEXT, TEXT + RESERVED])
def test_nobody_is_asked_again_while_their_node_is_the_same_and_all_are_found(text: str) -> None:
    cluster = _day(text, ("1/2", "1/3", "2/3"))
    remembers, found = Homes(), 0
    while cluster.step():
        holdings = cluster.holdings
        of_all = [
            (each.slice_id, home)
            for each in holdings.slices()
            if each.is_notebook and (home := home_of(holdings, each.slice_id)) is not None
        ]
        assert _homes(remembers, holdings) == of_all
        found += len(of_all)
    assert found or text != TEXT


@pytest.mark.parametrize("text", [TEXT, TEXT + RESERVED])
def test_the_room_of_entitled_slices_is_as_if_it_had_never_been_asked_for(text: str) -> None:
    cluster = _day(text, ("1/2", "2/3"))
    rooms = set()
    while cluster.step():
        holdings = cluster.holdings
        layout = holdings.layout("H100")
        for facts in holdings.gpus():
            pool = holdings.document.pools[holdings.pool_of(facts.gpu_id) or ""]
            held = holdings.slices_on(facts.gpu_id)
            pieces = ((each, holdings.piece(each.slice_id)) for each in held)
            here = tuple((each, piece) for each, piece in pieces if piece is not None)
            for leaf in layout.tree.leaves():
                room = entitled_room(facts, pool, layout, leaf, here)
                assert holdings.room_for_entitled(facts.gpu_id, leaf) == room
                rooms.add(room)
    assert len(rooms) > 4


def _homes(homes: Homes, holdings: Holdings) -> list[tuple[SliceId, GpuId]]:
    found: list[tuple[SliceId, GpuId]] = []
    homes.bring_home(holdings, lambda _: True, lambda *each: found.append(each))
    return found
