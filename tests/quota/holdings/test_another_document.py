"""Holdings under another document: what they keep, and how those made beside them catch up."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.names.ids import SliceId
from sublet_quota.shares.group_tree import NodeName

from tests.quota.holdings.test_holdings import ranks
from tests.support.quota_cases import (
    H100,
    L4,
    NOON,
    document,
    give_grace,
    gpu,
    holdings,
    notebook,
    part,
)

TEXT = """
    gpu_types: {{H100: {{match: '*H100*'}}}}
    shrink: {{grace: {grace}h}}
    groups: {{lab: {{guaranteed: {{H100: {lab}}}}}, other: {{guaranteed: {{H100: {other}}}}}}}
"""
SHORT = TEXT.format(grace=24, lab=2, other=0)


def halves_of_the_lab() -> list:
    return [
        notebook(f"s{n}", group="lab", amount=part(0.5), on=f"c{n // 2}", since=n) for n in range(4)
    ]


def test_with_too_few_cards_another_document_keeps_which_were_in_force() -> None:
    # The younger two were in force when the service was here last: one of the cards is closed.
    in_force = {SliceId("s0"): 0, SliceId("s1"): 0, SliceId("s2"): 1, SliceId("s3"): 1}
    lasting = {SliceId(f"s{n}"): 1 for n in range(4)}
    cards = [gpu("c0", index=0, closed="XID 79"), gpu("c1", index=1)]
    held = Holdings(
        document(SHORT), cards, halves_of_the_lab(), lasting, in_force=in_force
    )  # fmt: skip
    assert ranks(held) == "s0=borrowed s1=borrowed s2=entitled s3=entitled"
    weighted = SHORT.replace("{H100: 2}}", "{H100: 2}, weight: 2}")
    after = held.under(document(weighted), NOON)
    assert ranks(after) == ranks(held)
    assert {one.before for one in after.slices()} == {None}


def test_with_too_few_cards_no_group_loses_its_card_to_who_used_less_by_now() -> None:
    turns = {NodeName(name): (int(name != "lab"), 0) for name in ("lab", "other", "/")}
    text, cards = TEXT.format(grace=24, lab=1, other=1), (gpu("c0"), gpu("c1", index=1))
    held = Holdings(document(text), cards, turns=turns)
    for number, group in enumerate(("lab", "other")):
        held.put(notebook(group, group=group, amount=part(1), on=f"c{number}"))
    held.put_gpu(gpu("c1", index=1, closed="XID 79"))
    assert ranks(held) == "lab=entitled other=borrowed"
    # The lab has used the card since.
    turns.update({NodeName("lab"): (1, 0), NodeName("other"): (0, 0)})
    heavier = document(text.replace("{lab: {", "{lab: {weight: 2, "))
    after = held.under(heavier, NOON)
    assert ranks(after) == "lab=entitled other=borrowed"
    assert {one.before for one in after.slices()} == {None}
    again = Holdings(
        held.document, held.gpus_as_told(), held.slices(), held.lasting_steps(), turns,
        in_force=held.steps_in_force(),
    )  # fmt: skip
    assert ranks(again) == "lab=entitled other=borrowed"
    held.remove(SliceId("lab"))
    assert ranks(held) == "other=entitled"


def test_a_slice_that_came_meanwhile_is_there_and_one_that_ended_is_not() -> None:
    held = holdings(TEXT.format(grace=24, lab=1, other=1), gpu("c0"), gpu("c1", index=1))
    held.put(notebook("old", group="lab", amount=part(1), on="c0"))
    anew = Holdings.made_under(held.as_held(), document(SHORT), NOON)
    held.remove(SliceId("old"))
    held.put(notebook("new", group="lab", amount=part(0.5), on="c1", since=1))
    held.put_gpu(gpu("c2", index=2))
    anew.catch_up(held)
    assert ranks(anew) == "new=entitled"
    assert anew.gpu("c2") == gpu("c2", index=2)


def test_a_server_that_restarted_meanwhile_has_its_place_before_older_borrowed_ones() -> None:
    held = holdings(TEXT.format(grace=0, lab=1, other=0), *(gpu(f"c{n}", index=n) for n in (0, 1)))
    held.put(notebook("before", "ada", group="lab", amount=part(1), on="c0"))
    held.put(notebook("waits", "bob", group="lab", amount=part(1), on="c1", since=1))
    anew = Holdings.made_under(held.as_held(), held.document, NOON)
    held.put(
        notebook("again", "ada", group="lab", amount=part(1), on="c0", since=2), SliceId("before")
    )
    anew.catch_up(held)
    assert ranks(anew) == "again=entitled waits=borrowed"


def test_what_was_held_stays_as_it_was_where_guarantees_follow_slices_meanwhile() -> None:
    text = "gpu_types: {H100: {match: '*H100*'}}\ngroups: {lab: {guaranteed: {H100: 1}}}"
    held = holdings(text, gpu("c0"), gpu("c1", index=1))
    (card,) = held.layout("H100").parts
    other = {"c0": "c1", "c1": "c0"}[card]
    held.put(notebook("first", group="lab", amount=part(1), on=card))
    held.put(notebook("second", group="lab", amount=part(1), on=other, since=1))
    frozen = held.as_held()
    held.remove(SliceId("first"))
    assert list(held.layout("H100").parts) == [other]
    assert list(frozen.laid_out["H100"].parts) == [card]


def test_a_grace_that_was_given_meanwhile_lasts() -> None:
    held = holdings(TEXT.format(grace=24, lab=1, other=0), gpu("c0"))
    held.put(notebook("s", group="lab", amount=part(1), on="c0"))
    anew = Holdings.made_under(held.as_held(), held.document, NOON)
    give_grace(held, [SliceId("s")], NOON)
    anew.catch_up(held)
    assert anew.slice(SliceId("s")) == held.slice(SliceId("s"))


steps = st.tuples(
    st.sampled_from(["put", "put", "remove", "restart", "close", "call back"]),
    st.integers(0, 7),
    st.sampled_from(["lab", "other", None]),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(steps, max_size=12), st.lists(steps, max_size=8), st.integers(0, 3))
def test_what_caught_up_holds_all_and_is_entitled_as_if_added_up_anew(
    before, meanwhile, lab
) -> None:
    held = holdings(
        TEXT.format(grace=0, lab=2, other=1), *(gpu(f"c{n}", index=n) for n in range(4))
    )
    for number, step in enumerate(before):
        change(held, number, *step)
    other = document(TEXT.format(grace=0, lab=lab, other=1))
    anew = Holdings.made_under(held.as_held(), other, NOON)
    assert ranks(anew) == ranks(held.under(other, NOON))
    for number, step in enumerate(meanwhile, 100):
        change(held, number, *step)
    anew.catch_up(held)
    assert {one.slice_id: one for one in anew.slices()} == {
        one.slice_id: one for one in held.slices()
    }
    assert set(anew.gpus_as_told()) == set(held.gpus_as_told())
    again = Holdings(
        other, anew.gpus_as_told(), anew.slices(), anew.lasting_steps(),
        in_force=anew.steps_in_force(),
    )  # fmt: skip
    assert ranks(again) == ranks(anew)


def change(held: Holdings, number: int, what: str, which: int, group: str | None) -> None:
    there = sorted(one.slice_id for one in held.slices())
    one = held.slice(there[which % len(there)]) if there else None
    new = notebook(
        f"s{number}", f"u{which % 3}", part(0.5), f"c{which % 4}", group=group, since=number
    )
    match what:
        case "put":
            held.put(new)
        case "remove" if one is not None:
            held.remove(one.slice_id)
        case "restart" if one is not None:
            held.put(replace(one, slice_id=SliceId(f"s{number}")), one.slice_id)
        case "close":
            facts = held.gpu(f"c{which % 4}")
            held.put_gpu(replace(facts, closed=None if facts.closed else "XID 79"))
        case "call back" if one is not None:
            held.mark_called_back(one.slice_id, called_back=not one.called_back)


def test_nothing_that_was_graced_before_is_graced_anew_by_catching_up() -> None:
    held = holdings(TEXT.format(grace=24, lab=2, other=0), gpu("c0"), gpu("c1", index=1))
    for number in (0, 1):
        held.put(notebook(f"s{number}", group="lab", amount=part(1), on=f"c{number}", since=number))
    less = document(TEXT.format(grace=24, lab=1, other=0))
    anew = Holdings.made_under(held.as_held(), less, NOON)
    held.mark_called_back(SliceId("s1"), called_back=True)
    anew.catch_up(held)
    graced = anew.slice(SliceId("s1"))
    assert graced.called_back
    assert graced.before.until == NOON + timedelta(hours=24)


@pytest.mark.parametrize(
    ("amount", "group", "on", "is_graced"),
    [
        (1, "lab", "c0", True),
        (0.5, "lab", "c0", True),
        (1, "lab", "c1", True),
        (1, "other", "c0", False),
        (1, "lab", "l4", False),
    ],
)
def test_a_server_that_restarted_meanwhile_has_the_grace_that_was_found_for_it(
    amount: float, group: str, on: str, *, is_graced: bool
) -> None:
    cards = gpu("c0"), gpu("c1", index=1), gpu("l4", L4, index=2)
    held = holdings(TEXT.format(grace=24, lab=1, other=0), *cards)
    held.put(notebook("before", "ada", group="lab", amount=part(1), on="c0"))
    anew = Holdings.made_under(
        held.as_held(), document(TEXT.format(grace=24, lab=0, other=0)), NOON
    )
    kind = L4 if on == "l4" else H100
    again = notebook("again", "ada", group=group, amount=part(amount, kind), on=on, since=1)
    held.put(again, SliceId("before"))
    anew.catch_up(held)
    found = anew.slice(SliceId("again"))
    assert (found.before is not None) is is_graced
    assert anew.is_entitled(SliceId("again")) is is_graced


def test_what_was_granted_while_another_document_was_reckoned_counts_as_before_with_the_rest() -> (
    None
):
    held = holdings(TEXT.format(grace=24, lab=2, other=0), gpu("c0"), gpu("c1", index=1))
    held.put(notebook("old", group="lab", amount=part(1), on="c0"))
    less = document(TEXT.format(grace=24, lab=1, other=0))
    anew = Holdings.made_under(held.as_held(), less, NOON)
    held.put(notebook("new", "bob", group="lab", amount=part(1), on="c1", since=1))
    anew.catch_up(held)
    assert ranks(anew) == "new=entitled old=entitled"
    until = {one.before.until for one in anew.slices() if one.before is not None}
    assert until == {NOON + timedelta(hours=24)}
    assert anew.end_graces(NOON + timedelta(hours=24)) == ("new", "old")
    assert ranks(anew) == "new=borrowed old=entitled"


def test_what_was_granted_meanwhile_beyond_a_limit_that_is_less_counts_as_before() -> None:
    text = "shrink: {{grace: 24h}}\ngroups: {{lab: {{limit: {{slices: {most}}}}}}}"
    held = holdings(text.format(most=2), gpu("c0"))
    held.put(notebook("old", group="lab", on="c0"))
    anew = Holdings.made_under(held.as_held(), document(text.format(most=1)), NOON)
    held.put(notebook("new", "bob", group="lab", on="c0", since=1))
    anew.catch_up(held)
    assert all(one.before is not None for one in anew.slices())


def test_what_ends_at_a_stated_time_leaves_no_grace_to_what_was_granted_meanwhile() -> None:
    held = holdings(TEXT.format(grace=24, lab=1, other=0), gpu("c0"))
    less = document(TEXT.format(grace=24, lab=0, other=0))
    anew = Holdings.made_under(held.as_held(), less, NOON, timedelta())
    held.put(notebook("new", group="lab", amount=part(1), on="c0"))
    anew.catch_up(held)
    assert ranks(anew) == "new=borrowed"
    assert {one.before for one in anew.slices()} == {None}


@settings(max_examples=60, deadline=None)
@given(st.lists(steps, max_size=8), st.lists(steps, max_size=8), st.integers(0, 3))
def test_graces_are_those_that_would_be_found_if_nothing_had_come_meanwhile(
    before, meanwhile, lab
) -> None:
    held = holdings(
        TEXT.format(grace=24, lab=2, other=1), *(gpu(f"c{n}", index=n) for n in range(4))
    )
    for number, step in enumerate(before):
        change(held, number, *step)
    other = document(TEXT.format(grace=24, lab=lab, other=1))
    anew = Holdings.made_under(held.as_held(), other, NOON)
    for number, step in enumerate(meanwhile, 100):
        change(held, number, *step)
    at_once = held.under(other, NOON)
    anew.catch_up(held)
    without = [
        one.slice_id
        for one in at_once.slices()
        if one.before is not None and anew.slice(one.slice_id).before is None
    ]
    assert without == []


def test_an_end_leaves_to_others_what_was_in_force_when_the_service_was_here_last() -> None:
    turns = {NodeName("lab"): (1, 0), NodeName("other"): (0, 0), NodeName("/"): (0, 0)}
    text = TEXT.format(grace=24, lab=1, other=1)
    slices = [
        notebook("lab", group="lab", amount=part(1), on="c0"),
        notebook("other", "bob", group="other", amount=part(0.5), on="c1"),
        notebook("gone", "cyd", group="other", amount=part(0.5), on="c1"),
    ]
    told = {one.slice_id: 1 for one in slices}
    in_force = {**dict.fromkeys(told, 0), SliceId("lab"): 1}
    cards = gpu("c0"), gpu("c1", index=1, closed="XID 79")
    held = Holdings(document(text), cards, slices, told, turns, in_force=in_force)
    held.remove(SliceId("gone"))
    assert ranks(held) == "lab=entitled other=borrowed"


def test_a_larger_slice_that_was_granted_meanwhile_has_a_grace_of_its_own() -> None:
    held = holdings(TEXT.format(grace=24, lab=1, other=0), gpu("c0"))
    held.put(notebook("before", "ada", group="lab", amount=part(0.5), on="c0"))
    anew = Holdings.made_under(
        held.as_held(), document(TEXT.format(grace=24, lab=0, other=0)), NOON
    )
    held.put(
        notebook("again", "ada", group="lab", amount=part(1), on="c0", since=1), SliceId("before")
    )
    anew.catch_up(held)
    assert anew.slice(SliceId("again")).before is not None
