"""Who pays for a slice once the grace is over of its owner's leaving the group that paid."""

from dataclasses import replace

import pytest
from sublet_quota.placement.after_leaving import payer_after_leaving

from tests.support.quota_cases import gib, gpu, holdings, notebook, part
from tests.support.spent_budgets import spent

TEXT = """
gpu_types: {H100: {match: "*H100*"}}
groups:
  left: {guaranteed: {H100: 1}}
  full: {limit: {slices: 1}}
  plain: {}
  promised: {guaranteed: {H100: 1}}
"""


@pytest.mark.parametrize(
    ("still", "pays"),
    [
        ((), None),
        (("full",), None),
        (("plain",), "plain"),
        (("full", "plain"), "plain"),
        (("plain", "promised"), "promised"),
        (("forgotten",), None),
    ],
)
def test_another_group_pays_within_its_limits_one_that_is_guaranteed_it_first(
    still: tuple[str, ...], pays: str | None
) -> None:
    mine = notebook("mine", amount=gib(20, 250), on="a", group="left", member_of=still)
    other = notebook("other", "ben", gib(20, 250), "b", group="full")
    held = holdings(TEXT, gpu("a"), gpu("b", index=1), mine, other)
    assert payer_after_leaving(held, mine) == pays


def test_of_a_card_that_is_gone_nobodys_group_pays() -> None:
    mine = notebook("mine", on="gone", group="left", member_of=("plain",))
    assert payer_after_leaving(holdings(TEXT, gpu("a"), mine), mine) is None


def test_a_group_whose_hours_are_over_pays_where_no_other_could() -> None:
    text = """
gpu_types: {H100: {match: "*H100*"}}
groups:
  left: {}
  over: {budget: {hours: 1}}
  above: {groups: {deep: {}}}
"""
    mine = notebook("mine", amount=gib(20, 250), group="left", member_of=("over", "deep"))
    held = holdings(text, mine)
    held.spend(spent(held.document, "over"))
    assert payer_after_leaving(held, mine) == "deep"
    alone = replace(mine, member_of=mine.member_of[:1])
    assert payer_after_leaving(held, alone) == "over"


RIGHTS = """
gpu_types: {H100: {match: "*H100*"}, L4: {match: "*L4*"}}
sizes: [{name: quarter, memory: 1/4, compute: 1/4}, {name: half, memory: 1/2, compute: 1/2}]
groups:
  left: {}
  course: {types: [L4]}
  small: {sizes: [quarter], own_amounts: false}
  roomy: {limit: {slices: 9}}
  tight: {limit: {slices: 2}}
  any: {}
"""


@pytest.mark.parametrize(
    ("still", "pays"),
    [
        (("course",), None),
        (("course", "tight"), "tight"),
        (("small",), None),
        (("roomy", "tight"), "roomy"),
        (("any", "roomy"), "any"),
    ],
)
def test_none_pays_for_what_its_rights_forbid_and_of_others_who_has_most_room(
    still: tuple[str, ...], pays: str | None
) -> None:
    for members in (still, still[::-1]):
        mine = notebook("mine", amount=part(1 / 2), group="left", member_of=members)
        assert payer_after_leaving(holdings(RIGHTS, gpu(), mine), mine) == pays


def test_of_groups_that_fit_alike_no_name_decides() -> None:
    text = "groups: {left: {}, a: {}, b: {}, c: {}}"
    members = ("a", "b", "c")
    slices = [
        notebook(f"s{n}", f"u{n}", gib(1, 10), group="left", member_of=members) for n in range(40)
    ]
    held = holdings(text, gpu(), *slices)
    assert {payer_after_leaving(held, each) for each in slices} == set(members)
