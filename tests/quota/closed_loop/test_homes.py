"""Whose home is another card is found alike by who remembers and by who asks of everybody."""

from datetime import timedelta
from fractions import Fraction

import pytest
from sublet_quota.closed_loop.cluster import Cluster
from sublet_quota.closed_loop.people import Habits, Person, days_of
from sublet_quota.closed_loop.service.homes import Homes
from sublet_quota.holdings.gpu_load import Holding
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.names.ids import GpuId, SliceId

from tests.support.loop_cases import HOUR, MONDAY, cards, scene

TEXT = """
pools: [{name: one, memory_overcommit: 1.5, compute_overcommit: 1.5, default: true}]
groups: {science: {guaranteed: {H100: 3}}, teaching: {guaranteed: {H100: 2}}, guests: {}}
"""
RESERVED = """
reservations: [{name: c, for: guests, guaranteed: {H100: 1}, at: "Mon-Tue 14:00-16:00"}]
"""


@pytest.mark.parametrize("text", [TEXT, TEXT + RESERVED])
def test_nobody_is_asked_again_while_their_node_is_the_same_and_all_are_found(text: str) -> None:
    people = [
        Person(
            f"{group}-{part}-{n}",
            (group,),
            Habits(cards=Fraction(part), comes_today=1, jobs_a_day=1, patience=4 * HOUR),
        )
        for group in ("science", "teaching", "guests")
        for part in ("1/2", "1/3", "2/3")
        for n in range(3)
    ]
    lasts = timedelta(days=1)
    asked = days_of(people, MONDAY, MONDAY + lasts, 0)
    changes = ["day 1 12:00: drain h1", "day 1 14:00: open h1", "day 1 15:00: fail h4"]
    cluster = Cluster(scene(text, asked, lasts, on=cards(8, a_node=4), card_changes=changes))
    remembers, found = Homes(), 0
    while cluster.step():
        holdings = cluster.holdings
        slices = tuple(
            each
            for each in holdings.slices()
            if each.is_notebook and holdings.is_entitled(each.slice_id)
        )
        of_all = _homes(Homes(), holdings, slices)
        assert _homes(remembers, holdings, slices) == of_all
        found += len(of_all)
    assert found or text != TEXT


def _homes(
    homes: Homes, holdings: Holdings, slices: tuple[Holding, ...]
) -> list[tuple[SliceId, GpuId]]:
    found: list[tuple[SliceId, GpuId]] = []
    homes.bring_home(holdings, slices, lambda *each: found.append(each))
    return found
