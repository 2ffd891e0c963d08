"""More is guaranteed than there is: the odd card goes to who used least, and stays with them."""

import pytest
from sublet_quota.residency.snapshot import Rank

from tests.support.loop_cases import HOUR, a_server, cards, jobs, scene
from tests.support.loop_rules import watched

POOL = "pools: [{name: one, memory_overcommit: 1, default: true}]\n"
MORE = POOL + "groups: {a: {guaranteed: {H100: 1}}, b: {guaranteed: {H100: 1}}}"


@pytest.mark.parametrize("busy", ["a", "b"])
def test_the_odd_card_is_theirs_who_used_less(busy: str) -> None:
    asked = [
        *jobs("j", busy, 8, "1", HOUR),
        *(a_server(f"s-{group}", group, "1", at=9 * HOUR, cells=60) for group in ("a", "b")),
    ]
    before = POOL + "groups: {a: {}, b: {}}"
    record = watched(scene(before, asked, 12 * HOUR, on=cards(1), changes=[(9 * HOUR, MORE)]))
    ranks = {each.name: each.rank for each in record.answers if each.rank is not None}
    other = "ab".replace(busy, "")
    assert ranks[f"s-{other}"] is Rank.ENTITLED
    assert ranks.get(f"s-{busy}") is not Rank.ENTITLED
    assert sum(change.called_back for change in record.places) <= 1
