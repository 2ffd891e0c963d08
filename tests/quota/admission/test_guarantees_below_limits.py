"""A guarantee is to be had below the limits of the groups above, whatever others borrow there."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sublet_quota.holdings.gpu_load import Holding
from sublet_quota.jobs.payers.job_limits import jobs_that_make_way
from sublet_quota.names.ids import GroupName, SliceId
from sublet_quota.placement.slice_placement import Placement
from sublet_quota.reasons.refusal import Refusal, RefusalReason
from sublet_quota.residency.snapshot import Rank

from tests.support.admission_cases import PARTS, SmallHub
from tests.support.job_cases import a_job, ordered, planned
from tests.support.quota_cases import NOON, gpu, job_slice, part

TYPE = "gpu_types: {H100: {match: '*H100*'}}\n" + PARTS
CARDS = tuple(gpu(name, index=at) for at, name in enumerate("abcdef"))


def science(limit: str, guaranteed: int = 1, nlp: str = "guaranteed: {H100: 1}") -> SmallHub:
    """A group with a limit, of whose guarantee one in it has a part, and another has none."""
    text = f"""
groups:
  science:
    guaranteed: {{H100: {guaranteed}}}
    limit: {{{limit}}}
    groups: {{nlp: {{{nlp}}}, vision: {{}}}}
"""
    return SmallHub.under(TYPE + text, *CARDS)


def refused_by(answer: object) -> RefusalReason:
    assert isinstance(answer, Refusal), answer
    return answer.reason


@pytest.mark.parametrize("limit", ["H100: 2", "cards: 2", "slices: 2", "memory: 160 GiB"])
def test_what_is_guaranteed_is_had_though_siblings_and_direct_members_fill_the_limit(
    limit: str,
) -> None:
    hub = science(limit)
    assert isinstance(hub.ask("v1", "vision", size="whole"), Placement)
    assert isinstance(hub.ask("s1", "science", size="whole"), Placement)
    answer = hub.ask("n1", "nlp", size="whole")
    assert isinstance(answer, Placement), answer
    assert answer.rank is Rank.ENTITLED


def test_nothing_more_is_borrowed_below_a_limit_until_what_is_held_is_below_it_again() -> None:
    hub = science("H100: 2")
    for owner in ("v1", "v2"):
        assert isinstance(hub.ask(owner, "vision", size="whole"), Placement)
    assert isinstance(hub.ask("n1", "nlp", size="whole"), Placement)
    for owner, group in (("n2", "nlp"), ("v3", "vision")):
        assert refused_by(hub.ask(owner, group, size="whole")) is RefusalReason.GROUP_LIMIT
    hub.end("v1")
    assert refused_by(hub.ask("v3", "vision", size="whole")) is RefusalReason.GROUP_LIMIT
    hub.end("v2")
    assert isinstance(hub.ask("v3", "vision", size="whole"), Placement)


def test_what_siblings_have_in_part_within_the_guarantee_of_all_takes_none_of_one_s_own() -> None:
    text = """
groups:
  all:
    guaranteed: {H100: 1}
    limit: {H100: 1}
    groups:
      science:
        guaranteed: {H100: 1}
        groups: {nlp: {guaranteed: {H100: 1}}, vision: {}}
"""
    hub = SmallHub.under(TYPE + text, *CARDS)
    assert isinstance(hub.ask("v1", "vision", size="whole"), Placement)
    assert hub.rank("v1") is Rank.ENTITLED_IN_PART
    assert isinstance(hub.ask("n1", "nlp", size="whole"), Placement)
    assert hub.rank("v1") is Rank.BORROWED


def test_the_number_and_memory_of_what_is_guaranteed_stay_within_limits() -> None:
    hub = science("slices: 2", guaranteed=2, nlp="guaranteed: {H100: 2}")
    for number in range(2):
        assert isinstance(hub.ask(f"n{number}", "nlp", size="half"), Placement)
    assert refused_by(hub.ask("n2", "nlp", size="half")) is RefusalReason.GROUP_LIMIT


def test_a_group_s_own_limit_bounds_what_its_members_borrow() -> None:
    hub = science("cards: 6", nlp="guaranteed: {H100: 1}, limit: {H100: 1}")
    assert isinstance(hub.ask("n1", "nlp", size="whole"), Placement)
    assert refused_by(hub.ask("n2", "nlp", size="half")) is RefusalReason.GROUP_LIMIT


def test_a_person_s_limit_binds_within_a_guarantee_as_well() -> None:
    hub = science("cards: 6", nlp="guaranteed: {H100: 1}, each: {limit: {H100: 1/4}}")
    assert refused_by(hub.ask("n1", "nlp", size="whole")) is RefusalReason.USER_LIMIT


@pytest.mark.parametrize("limit", ["H100: 2", "cards: 2", "slices: 2"])
def test_a_job_within_its_group_s_guarantee_starts_though_others_fill_the_limit_above(
    limit: str,
) -> None:
    hub = science(limit)
    assert isinstance(hub.ask("v1", "vision", size="whole"), Placement)
    hub.holdings.put(job_slice("v2", "v2", part(1), "b", group="vision"))
    own, others = a_job("nlp", "nlp", owner="n1"), a_job("vision", "vision", owner="v3")
    plan = planned(hub.holdings, *ordered(hub.holdings, own, others))
    assert [each.job.job_id for each in plan.placements] == ["nlp"]


def test_a_limit_of_jobs_apart_binds_within_a_guarantee() -> None:
    hub = science("cards: 6", nlp="guaranteed: {H100: 1}, jobs: {limit: {cards: 0}}")
    plan = planned(hub.holdings, *ordered(hub.holdings, a_job("nlp", "nlp", owner="n1")))
    assert not plan.placements


def test_of_jobs_below_a_limit_those_within_a_guarantee_are_held_back_last() -> None:
    hub = science("H100: 2")
    old, new = job_slice("old", "v2", part(1), "a", group="vision"), "new"
    within = job_slice(new, "n1", part(1), "b", group="nlp")
    hub.holdings.put(replace(old, since=NOON))
    hub.holdings.put(replace(within, since=NOON + timedelta(hours=1), job_rank=Rank.ENTITLED))
    answer = hub.ask("v1", "vision", size="whole")
    assert isinstance(answer, Placement)
    assert answer.holds_back == ("old",)


def test_a_borrowed_slice_takes_the_place_of_no_job_within_its_group_s_guarantee() -> None:
    hub = science("H100: 2")
    hub.holdings.put(running("old", 1, "a"))
    hub.holdings.put(replace(running("within", 2, "b", "nlp"), job_rank=Rank.ENTITLED))
    first = hub.ask("v1", "vision", size="whole")
    assert isinstance(first, Placement)
    assert first.holds_back == ("old",)
    hub.holdings.hold_back(SliceId("old"), held_back=True)
    for group in ("vision", "science"):
        assert refused_by(hub.ask("v2", group, size="whole")) is RefusalReason.GROUP_LIMIT
    within = hub.ask("n1", "nlp", size="whole")
    assert isinstance(within, Placement)
    assert within.holds_back == ("within",)


def test_not_even_of_one_of_its_own_payer_which_would_go_on_at_once() -> None:
    hub = science("H100: 2", nlp="guaranteed: {H100: 1}, limit: {H100: 3/2}")
    hub.holdings.put(replace(running("within", 1, "b", "nlp", 0.5), job_rank=Rank.ENTITLED))
    assert isinstance(hub.ask("n1", "nlp", size="half"), Placement)
    assert refused_by(hub.ask("n2", "nlp", size="whole")) is RefusalReason.GROUP_LIMIT


def test_of_jobs_within_a_guarantee_those_of_the_payer_make_way_before_those_of_others() -> None:
    text = """
groups:
  science:
    guaranteed: {H100: 2}
    limit: {H100: 2}
    groups: {nlp: {guaranteed: {H100: 1}}, law: {guaranteed: {H100: 1}}}
"""
    hub = SmallHub.under(TYPE + text, *CARDS)
    own, other = running("own", 1, "a", "nlp", 0.5), running("other", 2, "b", "law")
    for each in (own, other):
        hub.holdings.put(replace(each, job_rank=Rank.ENTITLED))
    assert isinstance(hub.ask("n1", "nlp", size="half"), Placement)
    more = hub.ask("n2", "nlp", size="half")
    assert isinstance(more, Placement)
    assert (more.rank, more.holds_back) == (Rank.ENTITLED, ("own",))


def test_jobs_that_have_a_limit_apart_are_in_no_slice_s_way() -> None:
    hub = science("H100: 2}\n    jobs: {limit: {cards: 2}")
    hub.holdings.put(replace(running("within", 2, "b", "nlp"), job_rank=Rank.ENTITLED))
    for owner in ("v1", "v2"):
        assert isinstance(hub.ask(owner, "vision", size="whole"), Placement)


def running(name: str, minute: int, on: str, group: str = "vision", size: float = 1) -> Holding:
    """A borrowed job that has its place since so many minutes past noon."""
    made = job_slice(name, name, part(size), on, group=group)
    return replace(made, since=NOON + timedelta(minutes=minute))


def making_way(hub: SmallHub, within: frozenset[str] = frozenset()) -> tuple[str, ...]:
    """Who stands still for a job that a group pays and that starts now."""
    job = a_job("starts", "nlp", owner="n1")
    (placement,) = planned(hub.holdings, *ordered(hub.holdings, job)).placements
    return jobs_that_make_way(hub.holdings, placement, lambda: within)


@pytest.mark.parametrize("limit", ["H100: 2", "cards: 2", "slices: 2", "memory: 160 GiB"])
def test_the_newest_borrowed_jobs_make_way_for_a_job_within_a_guarantee(limit: str) -> None:
    hub = science(limit)
    hub.holdings.put(running("new", 2, "a"))
    hub.holdings.put(running("old", 1, "b"))
    assert making_way(hub) == ("new",)


def test_jobs_within_a_guarantee_make_way_for_no_job_and_none_does_where_there_is_room() -> None:
    hub = science("H100: 2", guaranteed=2)
    hub.holdings.put(running("old", 1, "a"))
    # It is within one beside the other, whatever was told of it before.
    hub.holdings.put(running("within", 2, "b"))
    assert making_way(hub, frozenset({"within"})) == ("old",)
    hub.holdings.remove(SliceId("old"))
    assert making_way(hub) == ()


def test_of_a_limit_that_slices_fill_borrowed_jobs_make_way_all_the_same() -> None:
    hub = science("H100: 1")
    assert isinstance(hub.ask("v1", "vision", size="whole"), Placement)
    hub.holdings.put(running("old", 1, "b"))
    assert making_way(hub) == ("old",)


def test_below_a_limit_of_jobs_alone_borrowed_jobs_make_way_and_slices_are_no_matter() -> None:
    hub = science("cards: 6}\n    jobs: {limit: {cards: 2}")
    assert isinstance(hub.ask("v1", "vision", size="whole"), Placement)
    hub.holdings.put(running("old", 1, "b"))
    assert making_way(hub) == ()
    hub.holdings.put(running("new", 2, "c"))
    assert making_way(hub) == ("new",)


def test_a_job_that_another_group_pays_from_now_on_makes_way_for_none() -> None:
    hub = science("H100: 2")
    hub.holdings.put(running("old", 1, "a"))
    hub.holdings.put(running("elsewhere", 2, "b", "nlp"))
    job = a_job("starts", "nlp", owner="n1")
    (placement,) = planned(hub.holdings, *ordered(hub.holdings, job)).placements
    inside = replace(placement, recharged=((SliceId("elsewhere"), GroupName("vision")),))
    assert jobs_that_make_way(hub.holdings, inside, frozenset) == ("old",)


def test_nobody_makes_way_for_a_borrowed_job() -> None:
    hub = science("H100: 2")
    hub.holdings.put(running("old", 1, "a"))
    hub.holdings.put(running("far", 2, "b"))
    job = a_job("starts", "nlp", owner="n1")
    (placement,) = planned(hub.holdings, *ordered(hub.holdings, job)).placements
    borrowed = replace(placement, job=replace(placement.job, rank=Rank.BORROWED))
    assert jobs_that_make_way(hub.holdings, borrowed, frozenset) == ()
