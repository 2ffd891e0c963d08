"""Whose slices are looked at to be charged elsewhere: of thousands the newest, once an answer."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sublet_quota.budgets.standing import NOTHING_SPENT
from sublet_quota.names.ids import GroupName
from sublet_quota.placement.finding import recharging
from sublet_quota.placement.offers import offers_for
from sublet_quota.placement.slice_placement import Placement
from sublet_quota.reasons.refusal import Refusal

from tests.support.admission_cases import SmallHub
from tests.support.quota_cases import gib, gpu, notebook
from tests.support.spent_budgets import spent

FULL = """
gpu_types: {H100: {match: '*H100*'}}
groups:
  top:
    limit: {slices: 100}
    groups: {lab: {}, course: {}}
"""


def test_of_very_many_slices_the_newest_are_looked_at_once_for_all_sizes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cards = [gpu(f"g{n}", index=n) for n in range(13)]
    groups = (GroupName("course"), GroupName("lab"))
    slices = [notebook(f"s{n}", f"u{n}", gib(1, 10), f"g{n // 8}") for n in range(100)]
    held = [
        replace(each, group=groups[1], member_of=groups, since=each.since + timedelta(seconds=n))
        for n, each in enumerate(slices)
    ]
    hub = SmallHub.under(FULL, *cards, *held)
    looked_at: list[str] = []
    change = recharging._change

    def counted(holdings: Any, holding: Any, group: Any) -> Any:
        looked_at.append(holding.slice_id)
        return change(holdings, holding, group)

    monkeypatch.setattr(recharging, "_change", counted)
    answer = hub.ask("eve", "lab", size="small")
    assert isinstance(answer, Refusal)
    assert len(looked_at) == len(set(looked_at)) == 32
    assert "s99" in looked_at
    assert "s0" not in looked_at
    looked_at.clear()
    assert not any(offer.allowed for offer in offers_for(hub.holdings, "eve", ("lab",)).offers)
    assert len(looked_at) == 32


def test_nobody_is_charged_to_a_group_whose_hours_are_over() -> None:
    text = """
    gpu_types: {H100: {match: '*H100*'}}
    groups: {lab: {limit: {slices: 1}}, club: {budget: {hours: 1}}}
    """
    theirs = notebook("s", "ada", gib(1, 10), group="lab", member_of=("club", "lab"))
    hub = SmallHub.under(text, theirs)
    hub.holdings.spend(spent(hub.holdings.document, "club"))
    assert isinstance(hub.ask("eve", "lab", size="small"), Refusal)
    hub.holdings.spend(NOTHING_SPENT)
    again = hub.ask("eve", "lab", size="small")
    assert isinstance(again, Placement)
    assert again.recharged == (("s", "club"),)


def test_who_has_most_room_pays_instead_and_of_equals_no_name_decides() -> None:
    text = "groups: {lab: {limit: {slices: 1}}, a: {A}, b: {limit: {slices: 9}}, c: {C}}"
    told = set()
    for number in range(24):
        theirs = notebook(
            f"s{number}", "ada", gib(1, 10), group="lab", member_of=("a", "b", "c", "lab")
        )
        for limit in ("", "limit: {slices: 3}"):
            said = text.replace("A", limit).replace("C", limit)
            answer = SmallHub.under(said, theirs).ask("eve", "lab", size="small")
            assert isinstance(answer, Placement)
            told.add((limit, *(group for _, group in answer.recharged)))
    assert told == {("", "a"), ("", "c"), ("limit: {slices: 3}", "b")}
