"""A guarantee, a limit or a group that becomes less: what runs counts as before, for a time."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sublet_quota.holdings.gpu_load import AsBefore
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.names.ids import GroupName, SliceId
from sublet_quota.reasons.guarantee_warnings import GuaranteeFault
from sublet_quota.residency.snapshot import Rank
from sublet_quota.shares.group_tree import NodeName

from tests.quota.holdings.test_holdings import ranks
from tests.support.quota_cases import NOON, document, give_grace, gpu, holdings, notebook, part

QUARTER_AND_HALF = (Fraction(1, 4), Fraction(1, 2))
TOMORROW = NOON + timedelta(hours=24)


def two_groups(lab: int, other: int, more: str = "") -> str:
    return f"""
        gpu_types: {{H100: {{match: '*H100*'}}}}
        groups: {{lab: {{guaranteed: {{H100: {lab}}}}}, other: {{guaranteed: {{H100: {other}}}}}}}
        {more}
    """


def full(text: str, count: int = 3) -> Holdings:
    """So many cards, each with a slice of the lab."""
    cards = [gpu(f"c{n}", index=n) for n in range(count)]
    slices = [
        notebook(f"s{n}", group="lab", amount=part(1), on=f"c{n}", since=n) for n in range(count)
    ]
    return holdings(text, *cards, *slices)


def in_force(held: Holdings, group: str) -> Fraction:
    return held.tree("H100").nodes[NodeName(group)].guaranteed


def test_who_is_guaranteed_less_keeps_what_runs_until_the_grace_ends() -> None:
    held = full(two_groups(3, 0)).under(document(two_groups(1, 0)), NOON)
    assert ranks(held) == "s0=entitled s1=entitled s2=entitled"
    assert held.slice(SliceId("s2")).before == AsBefore(TOMORROW, 1)
    assert held.end_graces(TOMORROW - timedelta(seconds=1)) == ()
    assert held.end_graces(TOMORROW) == ("s0", "s1", "s2")
    assert ranks(held) == "s0=entitled s1=borrowed s2=borrowed"
    assert held.ranks_changed() >= {"s1", "s2"}


def test_without_grace_what_is_beyond_the_guarantee_is_borrowed_at_once() -> None:
    held = full(two_groups(3, 0)).under(document(two_groups(1, 0, "shrink: {grace: 0}")), NOON)
    assert ranks(held) == "s0=entitled s1=borrowed s2=borrowed"


def test_nothing_new_is_entitled_beyond_the_new_guarantee() -> None:
    held = full(two_groups(3, 0)).under(document(two_groups(1, 0)), NOON)
    held.remove(SliceId("s0"))
    assert held.entitled_steps("H100", GroupName("lab"), Fraction(1)) == 0
    held.put(notebook("new", group="lab", amount=part(1), on="c0", since=9))
    assert ranks(held) == "new=borrowed s1=entitled s2=entitled"


def test_a_slice_that_restarts_in_its_grace_counts_as_before() -> None:
    held = full(two_groups(3, 0)).under(document(two_groups(1, 0)), NOON)
    before = held.remove(SliceId("s2")).before
    held.put(notebook("again", group="lab", amount=part(1), on="c2", since=9, before=before))
    assert ranks(held) == "again=entitled s0=entitled s1=entitled"


LESS = "groups: {lab: {guaranteed: {H100: AMOUNT}}}"


def shrunk() -> Holdings:
    """``kept`` has a grace, and one that is a little newer is borrowed."""
    text = "gpu_types: {H100: {match: '*H100*'}}\n" + LESS
    kept = notebook("kept", "ada", part(1 / 2), group="lab", since=0)
    waits = notebook("waits", "bob", part(1 / 4), group="lab", since=1)
    held = holdings(text.replace("AMOUNT", "1/2"), kept, waits)
    held = held.under(document(text.replace("AMOUNT", "1/4")), NOON)
    assert ranks(held) == "kept=entitled waits=borrowed"
    return held


def test_who_restarts_in_the_grace_comes_before_whoever_followed_meanwhile() -> None:
    held = shrunk()
    before = held.remove(SliceId("kept"))
    assert before is not None
    assert ranks(held) == "waits=entitled"
    held.put(replace(before, since=NOON + timedelta(hours=1)))
    assert ranks(held) == "kept=entitled waits=borrowed"
    assert held.end_graces(TOMORROW) == ("kept",)
    assert ranks(held) == "kept=borrowed waits=entitled"


def test_while_a_slice_is_away_for_a_decision_nobody_follows_it() -> None:
    held = shrunk()
    was = ranks(held), held.layout("H100").parts, held.lasting_steps()
    with held.without(SliceId("kept")) as away:
        assert away is not None
        assert held.slice(SliceId("kept")) is None
        assert ranks(held) == "waits=borrowed"
        steps = [held.entitled_steps("H100", GroupName("lab"), part) for part in QUARTER_AND_HALF]
        assert steps == [1, 0], "there is no grace for anything new"
        assert held.held(NodeName("lab")).slices == 1
    assert (ranks(held), held.layout("H100").parts, held.lasting_steps()) == was


def test_a_slice_in_the_place_of_another_has_what_that_was_entitled_to() -> None:
    held = shrunk()
    held.put(notebook("new", "ada", part(1 / 4), group="lab", since=9), SliceId("kept"))
    assert ranks(held) == "new=entitled waits=borrowed"


def added_up_anew(held: Holdings) -> Holdings:
    return Holdings(
        held.document, held.gpus_as_told(), held.slices(), held.lasting_steps(), held.turns,
        in_force=held.steps_in_force(), spent=held.spent,
    )  # fmt: skip


@pytest.mark.parametrize(
    "changed",
    [
        {"group": GroupName("other"), "amount": part(1 / 4)},
        {"group": GroupName("other"), "amount": part(1)},
        {"amount": part(1)},
    ],
    ids=["charged elsewhere", "larger and charged elsewhere", "larger"],
)
def test_who_has_a_grace_pushes_nobody_out_by_a_change_of_its_own(
    changed: dict[str, object],
) -> None:
    """Nor does it once all is added up anew, or under another document."""
    kept = notebook("kept", "ada", part(1 / 2), group="lab", on="c0", since=0)
    lab = notebook("lab", "bob", part(1 / 2), group="lab", on="c1", since=1)
    other = notebook("other", "eve", part(1), group="other", on="c2", since=2)
    cards = [gpu(f"c{n}", index=n) for n in range(3)]
    held = holdings(two_groups(1, 1), *cards, kept, lab, other)
    give_grace(held, [SliceId("kept")], NOON)
    graced = held.slice(SliceId("kept"))
    assert graced is not None
    assert graced.before is not None
    held.put(replace(graced, **changed))
    told = "kept=borrowed lab=entitled other=entitled"
    assert ranks(held) == told
    assert ranks(added_up_anew(held)) == told
    assert ranks(held.under(document(two_groups(1, 1)), NOON)) == told
    held.end_graces(TOMORROW)
    assert ranks(held) == told


def test_who_lost_it_in_a_grace_has_it_again_before_older_ones_that_wait() -> None:
    older = notebook("older", "bob", part(3 / 4), group="other", on="c0", since=0)
    kept = notebook("kept", "ada", part(1 / 2), group="lab", on="c1", since=1)
    other = notebook("other", "eve", part(1), group="other", on="c2", since=2)
    cards = [gpu(f"c{n}", index=n) for n in range(3)]
    held = holdings(two_groups(1, 1), *cards, kept, other)
    held.put(older)
    give_grace(held, [SliceId("kept")], NOON)
    graced = held.slice(SliceId("kept"))
    assert graced is not None
    held.put(replace(graced, group=GroupName("other")))
    assert ranks(held) == "kept=borrowed older=borrowed other=entitled"
    for each in (held, added_up_anew(held)):
        each.remove(SliceId("other"))
        assert ranks(each) == "kept=entitled older=borrowed"


def test_what_is_in_force_alone_is_kept_by_its_grace_when_there_are_more_cards() -> None:
    """With all cards ``old`` was entitled instead; with those that there are it was not."""
    text = two_groups(1, 1).replace("{H100: 1}", "{H100: LAB}", 1).replace("H100: 1}", "H100: 3/2}")
    turns = {NodeName(name): (name != "other", 0) for name in ("lab", "other", "/")}
    old = notebook("old", "ada", part(3 / 4), group="lab", on="c0", since=0)
    kept = notebook("kept", "bob", part(1 / 2), group="lab", on="c1", since=1)
    gone = notebook("gone", "eve", part(1 / 4), on="c1", since=2)
    first = document(text.replace("LAB", "1"))
    cards = [gpu(f"c{n}", index=n) for n in range(2)]
    before = {SliceId(name): int(name == "kept") for name in ("old", "kept", "gone")}
    held = Holdings(first, cards, [old, kept, gone], turns=turns, in_force=before)
    assert ranks(held) == "gone=borrowed kept=entitled old=borrowed"
    held = held.under(document(text.replace("LAB", "2/5")), NOON)
    assert ranks(held) == "gone=borrowed kept=entitled old=borrowed"
    assert held.slice(SliceId("old")).before is None
    held.remove(SliceId("gone"))
    held.put_gpu(gpu("c2", index=2))
    assert in_force(held, "lab") == Fraction(1, 2)
    assert ranks(held) == "kept=entitled old=borrowed"


def test_a_guarantee_given_anew_is_in_force_as_room_comes() -> None:
    held = full(two_groups(3, 0)).under(document(two_groups(1, 2)), NOON)
    assert (in_force(held, "lab"), in_force(held, "other")) == (3, 0)
    assert [(one.fault, one.group, one.told, one.there) for one in held.warnings()] == [
        (GuaranteeFault.LESSENED, "other", 2, 0)
    ]
    held.remove(SliceId("s1"))
    assert (in_force(held, "lab"), in_force(held, "other")) == (2, 1)
    held.end_graces(TOMORROW)
    assert (in_force(held, "lab"), in_force(held, "other")) == (1, 2)
    assert held.warnings() == ()


def test_a_guarantee_given_anew_takes_nothing_entitled_of_others_before_the_grace_is_over() -> None:
    held = full(two_groups(2, 0), 2).under(document(two_groups(2, 2)), NOON)
    assert ranks(held) == "s0=entitled s1=entitled"
    assert (in_force(held, "lab"), in_force(held, "other")) == (2, 0)
    held.end_graces(TOMORROW)
    assert (in_force(held, "lab"), in_force(held, "other")) == (1, 1)


def test_what_the_cards_did_not_keep_has_no_grace() -> None:
    held = full(two_groups(3, 0))
    held.remove_gpu("c2")
    held = held.under(document(two_groups(1, 1)), NOON)
    assert ranks(held) == "s0=entitled s1=entitled s2=borrowed"
    assert (in_force(held, "lab"), in_force(held, "other")) == (2, 0)


def test_a_card_that_fails_gives_no_grace() -> None:
    held = full(two_groups(3, 0))
    held.put_gpu(gpu("c0", closed="XID 79"))
    assert ranks(held) == "s0=entitled s1=entitled s2=borrowed"
    assert held.under(document(two_groups(3, 0)), NOON).slice(SliceId("s2")).before is None


def test_slices_of_a_group_that_is_gone_count_for_no_group_after_their_grace() -> None:
    gone = "gpu_types: {H100: {match: '*H100*'}}\ngroups: {other: {guaranteed: {H100: 3}}}"
    held = full(two_groups(3, 0)).under(document(gone), NOON)
    assert ranks(held) == "s0=entitled s1=entitled s2=entitled"
    assert in_force(held, "other") == 0
    held.end_graces(TOMORROW)
    assert ranks(held) == "s0=borrowed s1=borrowed s2=borrowed"
    assert in_force(held, "other") == 3


def test_a_second_change_does_not_begin_the_grace_anew() -> None:
    held = full(two_groups(3, 0)).under(document(two_groups(2, 0)), NOON)
    held = held.under(document(two_groups(1, 0)), NOON + timedelta(hours=5))
    assert held.slice(SliceId("s2")).before.until == TOMORROW


def test_what_was_guaranteed_while_a_grace_lasts_has_its_own_when_it_is_gone() -> None:
    """Of a group in it the slice is entitled to a step more than its grace says."""
    text = """
        gpu_types: {{H100: {{match: '*H100*'}}}}
        groups:
          lab:
            guaranteed: {{H100: {lab}}}
            groups: {{nlp: {{guaranteed: {{H100: {nlp}}}}}}}
    """
    cards = [gpu(f"c{n}", index=n) for n in range(2)]
    slices = [notebook(f"s{n}", group="nlp", amount=part(1), on=f"c{n}", since=n) for n in range(2)]
    held = holdings(text.format(lab=2, nlp=0), *cards, *slices)
    assert ranks(held) == "s0=entitled_in_part s1=entitled_in_part"
    held = held.under(document(text.format(lab=1, nlp=0)), NOON)
    held = held.under(document(text.format(lab=2, nlp=2)), NOON + timedelta(hours=1))
    assert ranks(held) == "s0=entitled s1=entitled"
    held = held.under(document(text.format(lab=1, nlp=1)), NOON + timedelta(hours=2))
    assert ranks(held) == "s0=entitled s1=entitled"
    held.end_graces(TOMORROW)
    assert ranks(held) == "s0=entitled s1=entitled"
    held.end_graces(TOMORROW + timedelta(hours=2))
    assert ranks(held) == "s0=entitled s1=borrowed"


def test_who_holds_more_than_a_new_limit_has_a_grace() -> None:
    limited = two_groups(1, 0).replace("lab: {", "lab: {limit: {H100: 2}, ")
    held = full(two_groups(1, 0)).under(document(limited), NOON)
    assert {one.before.steps for one in held.slices()} == {0, 1}
    assert ranks(held) == "s0=entitled s1=borrowed s2=borrowed"


def test_a_group_that_loses_nothing_has_no_grace() -> None:
    held = full(two_groups(3, 1), 2)
    held.put(notebook("other", group="other", amount=part(1), on="c9"))
    held = held.under(document(two_groups(1, 1)), NOON)
    assert held.slice(SliceId("other")).before is None


def test_a_membership_that_ends_may_be_given_a_grace() -> None:
    held = full(two_groups(3, 0))
    give_grace(held, [SliceId("s1")], NOON)
    assert held.slice(SliceId("s1")).before == AsBefore(TOMORROW, 1)
    assert held.slice(SliceId("s0")).before is None


@given(
    st.lists(st.sampled_from((0.25, 0.5, 0.75, 1)), min_size=2, max_size=6),
    st.permutations(range(6)),
)
def test_which_slices_stay_entitled_when_graces_end_hangs_on_age_and_not_on_names(
    sizes: list[float], names: list[int]
) -> None:
    cards = [gpu(f"c{n}", index=n) for n in range(6)]

    def stay(name_of: Callable[[int], str]) -> list[bool]:
        slices = [
            notebook(name_of(n), group="lab", amount=part(size), on=f"c{n}", since=n)
            for n, size in enumerate(sizes)
        ]
        held = holdings(two_groups(6, 0), *cards, *slices)
        held = held.under(document(two_groups(1, 0)), NOON)
        held.end_graces(TOMORROW)
        return [held.rank(each.slice_id) is Rank.ENTITLED for each in slices]

    assert stay(lambda n: f"s{names[n]}") == stay(lambda n: f"s{n}")


def test_graces_that_ended_leave_sums_as_they_were() -> None:
    held = full(two_groups(3, 0)).under(document(two_groups(1, 0)), NOON)
    held.end_graces(TOMORROW)
    again = holdings(two_groups(1, 0), *held.gpus(), *held.slices())
    node = NodeName("lab")
    assert held.held(node) == again.held(node)
    assert in_force(held, "lab") == in_force(again, "lab") == 1
    assert held.end_graces(TOMORROW) == ()
    assert [held.room(each.gpu_id) for each in held.gpus()] == [
        again.room(each.gpu_id) for each in again.gpus()
    ]
    held.remove(SliceId("s0"))
    assert ranks(held) == "s1=entitled s2=borrowed"
