"""A slice takes the place of its payer's jobs below a limit: the newest are held back, and go on.

Jobs and slices are whole cards, or parts of one, of the type H100.
"""

from collections.abc import Container
from dataclasses import replace
from datetime import timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sublet_quota.admission.jobs_going_on import jobs_to_go_on
from sublet_quota.admission.jobs_held_back import jobs_to_hold_back
from sublet_quota.admission.slice_request import RequestedSlice
from sublet_quota.document.rights import rights_of
from sublet_quota.holdings.gpu_load import Holding
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.names.ids import GpuId, GroupName, JobId, SliceId, UserName
from sublet_quota.placement.resize import NewSize, Resized, decide_resize
from sublet_quota.placement.slice_placement import Placement
from sublet_quota.reasons.refusal import Refusal
from sublet_quota.shares.cards import total
from sublet_quota.shares.group_tree import NodeName
from sublet_quota.shares.limits import Amounts

from tests.support.admission_cases import PARTS, SmallHub
from tests.support.job_cases import a_job, planned
from tests.support.quota_cases import NOON, gpu, job_slice, notebook, part
from tests.support.quota_documents import document

TYPE = "gpu_types: {H100: {match: '*H100*'}}\n" + PARTS
NOBODY_S = "\n".join(line for line in TYPE.splitlines() if not line.startswith("everyone")) + "\n"
"""The same, with nothing said of everyone."""
LAB = TYPE + "groups: {lab: {limit: {cards: 2}}, zoo: {}}\n"
CARDS = tuple(gpu(name, index=at) for at, name in enumerate("abcd"))


def job(  # noqa: PLR0913, PLR0917 - a builder
    name: str, minute: int, size: float = 1, on: str = "a", owner: str = "jo", group: str = "lab"
) -> Holding:
    """A job that has its place since so many minutes past noon."""
    made = job_slice(name, owner, part(size), on, group=group)
    return replace(made, since=NOON + timedelta(minutes=minute))


def hub(text: str, *slices: Holding) -> SmallHub:
    return SmallHub.under(text, *CARDS, *slices)


def held_by(answer: object) -> str:
    """The jobs that a slice takes the place of, in the order of their names."""
    assert isinstance(answer, Placement | Resized), answer
    return " ".join(sorted(answer.holds_back))


def going_on(held: Holdings, *groups: str, pausing: Container[SliceId] = ()) -> str:
    going = jobs_to_go_on(
        held, lambda owner: rights_of(held.document, owner, groups), dict, pausing
    )
    return " ".join(sorted(going.slices))


def take(small: SmallHub, answer: object) -> None:
    """Let jobs stand still as a decision says."""
    assert isinstance(answer, Placement)
    for slice_id in answer.holds_back:
        small.holdings.hold_back(slice_id, held_back=True)


def test_the_newest_jobs_of_the_payer_are_held_back_until_all_are_within_its_limit() -> None:
    jobs = job("old", 1), job("mid", 2, 0.5, "b"), job("new", 3, 0.5, "b")
    assert held_by(hub(LAB, *jobs).ask("ada", "lab", size="half")) == "new"
    assert held_by(hub(LAB, *jobs).ask("ada", "lab", size="whole")) == "mid new"


def test_a_job_that_is_held_back_counts_as_before_once_its_card_is_gone() -> None:
    small = hub(LAB, job("old", 1), job("new", 2, on="b"))
    take(small, small.hand_out(RequestedSlice("ada", ("lab",), size="whole"), "hers"))
    small.holdings.remove_gpu(GpuId("b"))
    assert going_on(small.holdings, "lab") == ""
    small.holdings.remove(SliceId("hers"))
    assert going_on(small.holdings, "lab") == "new"


def test_nobody_is_held_back_while_there_is_room_below_the_limit() -> None:
    assert held_by(hub(LAB, job("old", 1)).ask("ada", "lab", size="whole")) == ""


def test_jobs_that_another_group_pays_go_on() -> None:
    jobs = job("lab", 1, on="a"), job("mine", 2, on="b"), job("zoo", 3, on="c", group="zoo")
    assert held_by(hub(LAB, *jobs).ask("ada", "lab", size="whole")) == "mine"


def test_jobs_that_have_a_limit_apart_go_on() -> None:
    apart = LAB.replace("limit: {cards: 2}", "limit: {cards: 2}, jobs: {limit: {cards: 2}}")
    jobs = job("old", 1), job("new", 2, on="b")
    assert held_by(hub(apart, *jobs).ask("ada", "lab", size="whole")) == ""


def test_a_limit_above_the_payer_counts_what_groups_beside_it_run() -> None:
    text = TYPE + "groups: {uni: {limit: {cards: 2}, groups: {lab: {}, law: {}}}}\n"
    jobs = job("old", 1), job("law", 2, on="b", group="law")
    assert held_by(hub(text, *jobs).ask("ada", "lab", size="whole")) == "law"


def test_a_person_s_own_jobs_make_way_below_their_own_limit() -> None:
    text = NOBODY_S + "everyone: {limit: {cards: 2}}\ngroups: {lab: {}, zoo: {}}\n"
    jobs = (
        job("own", 1, owner="ada", group="zoo"),
        job("own-new", 2, on="b", owner="ada"),
        job("theirs", 3, on="c"),
    )
    assert held_by(hub(text, *jobs).ask("ada", "lab", size="whole")) == "own-new"


def test_the_slices_that_hold_when_nobody_says_bound_no_jobs() -> None:
    text = NOBODY_S + "groups: {lab: {}}\n"
    jobs = [job(f"j{n}", n, 0.125, owner="ada") for n in range(6)]
    assert held_by(hub(text, *jobs).ask("ada", "lab", size="quarter")) == ""


def test_a_job_that_does_not_count_in_what_is_passed_goes_on() -> None:
    text = TYPE + "groups: {lab: {limit: {slices: 2}}}\n"
    small = hub(text, job("old", 1, 0.125), job("new", 2, 0.125))
    assert held_by(small.ask("ada", "lab", size="quarter")) == "new"


def test_a_job_on_several_cards_is_held_back_on_all_of_them() -> None:
    ranks = [replace(job(f"r{n}", 2, on="bc"[n]), job_id=JobId("gang")) for n in range(2)]
    text = LAB.replace("cards: 2", "cards: 3")
    small = hub(text, job("old", 1), *ranks)
    answer = small.ask("ada", "lab", size="quarter")
    assert held_by(answer) == "r0 r1"
    take(small, answer)
    assert going_on(small.holdings) == ""
    small.end("ada")
    assert going_on(small.holdings) == "r0 r1"


def test_a_slice_that_grows_takes_the_place_of_jobs_too() -> None:
    small = hub(LAB, job("old", 1), job("new", 2, 0.5, "b"))
    mine = notebook("m", "ada", part(0.5), "c", group="lab")
    grown = decide_resize(small.holdings, mine, ("lab",), NewSize(size="whole"), 0)
    assert held_by(grown) == "new"


def test_a_limit_that_became_less_holds_nobody_back() -> None:
    small = hub(LAB, job("old", 1), job("new", 2, on="b"))
    less = small.holdings.under(document(LAB.replace("cards: 2", "cards: 1")), NOON)
    assert not [each for each in less.slices() if each.held_back]
    other = SmallHub(less)
    assert held_by(other.ask("zoe", "zoo", size="whole")) == ""


def test_they_go_on_as_there_is_room_the_oldest_first_and_no_younger_one_before() -> None:
    jobs = job("a-large", 1, 1), job("b-small", 2, 0.25, "b"), job("c-small", 3, 0.25, "b")
    small = hub(LAB, *jobs)
    for name in ("ada", "ben"):
        take(small, small.ask(name, "lab", size="whole"))
    assert {one.slice_id for one in small.holdings.held_back()} == {each.slice_id for each in jobs}
    assert going_on(small.holdings) == ""
    small.end("ben")
    assert going_on(small.holdings) == "a-large"
    small.end("ada")
    assert going_on(small.holdings) == "a-large b-small c-small"


def test_who_pauses_does_not_go_on_and_keeps_no_younger_one_from_it() -> None:
    small = hub(LAB, job("older", 1, 1), job("younger", 2, 1, "b"))
    for name in ("ada", "ben"):
        take(small, small.ask(name, "lab", size="whole"))
    small.end("ben")
    assert going_on(small.holdings) == "older"
    assert going_on(small.holdings, pausing={SliceId("older")}) == "younger"
    assert going_on(small.holdings, pausing={SliceId("older"), SliceId("younger")}) == ""


def test_a_limit_that_nobody_says_any_more_keeps_nobody_back() -> None:
    small = hub(LAB, job("old", 1), replace(job("new", 2, on="b"), held_back=True))
    small.ask("ada", "lab", size="whole")
    assert going_on(small.holdings) == ""
    apart = LAB.replace("limit: {cards: 2}", "limit: {cards: 2}, jobs: {limit: {cards: 2}}")
    for text in (apart, LAB.replace("cards: 2", "cards: 3")):
        assert going_on(small.holdings.under(document(text), NOON)) == "new"


def test_who_is_held_back_goes_on_within_limits_that_count_jobs_alone() -> None:
    text = TYPE + "groups: {lab: {limit: {cards: 2}, each: {jobs: {limit: {cards: 1}}}}}\n"
    back, other = replace(job("back", 1), held_back=True), job("other", 2, on="b")
    small = hub(text, back, other)
    assert not going_on(small.holdings, "lab")
    small.holdings.remove(other.slice_id)
    assert going_on(small.holdings, "lab") == "back"


def test_a_job_that_waits_begins_behind_one_that_is_held_back() -> None:
    small = hub(LAB, job("old", 1), replace(job("new", 2, on="b"), held_back=True))
    small.ask("ada", "lab", size="half")
    (wait,) = planned(small.holdings, a_job("j", "lab", 20)).waits
    assert str(wait.why.reason) == "limit-full"


def test_a_slice_that_another_group_pays_from_now_on_takes_the_place_of_its_jobs() -> None:
    mine = notebook("m", "ada", part(0.5), "c", group="zoo")
    held = hub(LAB, job("old", 1), job("new", 2, on="b"), mine).holdings
    rights = rights_of(held.document, UserName("ada"), ())
    recharged = ((mine, GroupName("lab")),)
    assert jobs_to_hold_back(held, rights, None, Amounts(), recharged) == ("new",)


LIMITS = st.fixed_dictionaries(
    {},
    optional={
        "cards": st.integers(1, 4),
        "H100": st.integers(1, 4),
        "slices": st.integers(1, 6),
    },
)
JOBS = st.lists(
    st.tuples(
        st.sampled_from((0.25, 0.5, 1)),
        st.sampled_from("abcd"),
        st.sampled_from(("ada", "ben")),
        st.sampled_from(("lab", "law")),
    ),
    max_size=6,
)
WISHES = st.lists(
    st.tuples(
        st.sampled_from(("ada", "ben", "cleo")),
        st.sampled_from(("lab", "law")),
        st.sampled_from(("quarter", "half", "whole")),
        st.booleans(),
    ),
    max_size=6,
)


def text_of(limits: dict[str, dict[str, int]]) -> str:
    def said(name: str) -> str:
        of = ", ".join(f"{key}: {most}" for key, most in limits[name].items())
        return "{" + of + "}"

    return NOBODY_S + (
        f"everyone: {{limit: {said('own')}}}\n"
        f"groups: {{uni: {{limit: {said('uni')}, groups: {{lab: {{limit: {said('lab')}}}, "
        f"law: {{}}}}}}}}\n"
    )


def beyond(held: Holdings, limits: dict[str, dict[str, int]]) -> set[str]:
    """The groups and persons of which slices and running jobs are more than a limit says."""
    found = set()
    away = held.held_back()
    for name in map(NodeName, ("uni", "lab")):
        path = held.document.path_of_payer
        gone = [each for each in away if name in path(each.group)]
        if _is_more(held.held(name) + held.jobs_held(name), gone, limits[name]):
            found.add(str(name))
    for owner in map(UserName, ("ada", "ben", "cleo")):
        gone = [each for each in away if each.owner == owner]
        if _is_more(held.held_by(owner) + held.jobs_held_by(owner), gone, limits["own"]):
            found.add(str(owner))
    return found


def _is_more(together: Amounts, gone: list[Holding], limit: dict[str, int]) -> bool:
    away = sum(Fraction(each.amount.compute_milli, 1000) for each in gone)
    cards, slices = total(together.cards.values()) - away, together.slices - len(gone)
    most = min(limit.get("cards", 99), limit.get("H100", 99))
    return cards > most or slices > limit.get("slices", 99)


@given(
    limits=st.fixed_dictionaries({"uni": LIMITS, "lab": LIMITS, "own": LIMITS}),
    jobs=JOBS,
    wishes=WISHES,
)
def test_what_runs_is_within_limits_after_each_slice_and_nothing_changes_by_itself(
    limits: dict[str, dict[str, int]],
    jobs: list[tuple[float, str, str, str]],
    wishes: list[tuple[str, str, str, bool]],
) -> None:
    there = [job(f"j{n}", n, *each) for n, each in enumerate(jobs)]
    small = hub(text_of(limits), *there)
    held = small.holdings
    groups = ("lab", "law")
    for number, (owner, group, size, ends) in enumerate(wishes):
        before = beyond(held, limits)
        name = f"w{number}"
        answer = small.ask(owner, group, size=size, name=name)
        if isinstance(answer, Refusal):
            continue
        take(small, answer)
        assert beyond(held, limits) <= before
        for where in (group if group == "lab" else "", "uni", owner):
            assert where not in beyond(held, limits)
        assert going_on(held, *groups) == ""
        if ends:
            small.end(name)
        for slice_id in going_on(held, *groups).split():
            held.hold_back(SliceId(slice_id), held_back=False)
        assert going_on(held, *groups) == ""
        assert beyond(held, limits) <= before


@pytest.mark.parametrize("named", [True, False])
def test_who_lets_a_slice_in_by_another_payer_has_jobs_of_that_one_make_way(*, named: bool) -> None:
    text = TYPE + "groups: {lab: {limit: {cards: 1}}, law: {limit: {cards: 1}}}\n"
    theirs = notebook("t", "tom", part(1), "a", group="lab", member_of=("lab", "law"), named=named)
    small = hub(text, theirs, job("lawyer", 1, on="b", group="law"))
    answer = small.ask("ada", "lab", size="whole")
    if named:
        assert isinstance(answer, Refusal)
    else:
        assert isinstance(answer, Placement)
        assert answer.recharged == (("t", GroupName("law")),)
        assert held_by(answer) == "lawyer"
