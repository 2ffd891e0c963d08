"""Jobs that stand still below a limit go on within their group's guarantee, whatever others borrow.

Amounts are whole cards, or parts of one, of the type H100.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sublet_quota.admission.jobs_going_on import GoingOn, jobs_to_go_on
from sublet_quota.document.rights import rights_of
from sublet_quota.holdings.gpu_load import Holding
from sublet_quota.names.ids import GroupName, JobId, SliceId
from sublet_quota.placement.slice_placement import Placement
from sublet_quota.residency.snapshot import Rank
from sublet_quota.shares.cards import total
from sublet_quota.shares.group_tree import NodeName

from tests.support.admission_cases import PARTS, SmallHub
from tests.support.job_cases import a_job, order_of
from tests.support.quota_cases import NOON, gpu, job_slice, part

TYPE = "gpu_types: {H100: {match: '*H100*'}}\n" + PARTS
CARDS = tuple(gpu(name, index=at) for at, name in enumerate("abcdef"))
SCIENCE = """
groups:
  science:
    guaranteed: {H100: 1}
    limit: {%s}
    groups: {nlp: {guaranteed: {H100: 1}%s}, vision: {}}
"""


def science(limit: str, of_nlp: str = "") -> SmallHub:
    return SmallHub.under(TYPE + SCIENCE % (limit, of_nlp), *CARDS)


def job(name: str, minute: int, on: str, group: str, size: float = 1) -> Holding:
    """A job that has its place since so many minutes past noon."""
    made = job_slice(name, name, part(size), on, group=group)
    return replace(made, since=NOON + timedelta(minutes=minute))


def standing(*args: object) -> Holding:
    return replace(job(*args), held_back=True)  # type: ignore[arg-type]


def going_on(hub: SmallHub, *pausing: str, **ranks: Rank) -> GoingOn:
    held, known = hub.holdings, {JobId(name): rank for name, rank in ranks.items()}
    return jobs_to_go_on(
        held, lambda owner: rights_of(held.document, owner, ()), lambda: known, pausing
    )


@pytest.mark.parametrize("limit", ["H100: 2", "cards: 2", "slices: 2", "memory: 160 GiB"])
def test_what_slices_of_siblings_borrow_keeps_no_job_within_a_guarantee_back(limit: str) -> None:
    hub = science(limit)
    for owner in ("v1", "v2"):
        assert isinstance(hub.ask(owner, "vision", size="whole"), Placement)
    hub.holdings.put(standing("within", 1, "c", "nlp"))
    assert going_on(hub) == GoingOn()
    assert going_on(hub, within=Rank.ENTITLED_IN_PART) == GoingOn()
    assert going_on(hub, within=Rank.ENTITLED) == GoingOn((SliceId("within"),))


@pytest.mark.parametrize("limit", ["H100: 2", "cards: 2", "slices: 2", "memory: 160 GiB"])
def test_the_newest_borrowed_jobs_stand_still_instead(limit: str) -> None:
    hub = science(limit)
    for one in (job("new", 3, "a", "vision"), job("old", 2, "b", "vision")):
        hub.holdings.put(one)
    hub.holdings.put(standing("within", 4, "c", "nlp"))
    found = going_on(hub, within=Rank.ENTITLED)
    assert found == GoingOn((SliceId("within"),), (SliceId("new"),))


def test_none_within_a_guarantee_stands_still_and_nobody_does_where_there_is_room() -> None:
    hub = science("H100: 2")
    for one in (job("old", 1, "a", "vision", 0.5), job("new", 2, "b", "nlp", 0.5)):
        hub.holdings.put(one)
    hub.holdings.put(standing("within", 3, "c", "nlp", 0.5))
    ranks = {"within": Rank.ENTITLED, "new": Rank.ENTITLED}
    assert going_on(hub, **ranks) == GoingOn((SliceId("within"),))
    hub.holdings.put(job("large", 0, "d", "vision"))
    assert going_on(hub, **ranks) == GoingOn((SliceId("within"),), (SliceId("old"),))


def test_it_comes_before_older_ones_and_alone() -> None:
    hub = science("H100: 2")
    for one in (job("runs", 3, "a", "vision", 0.5), standing("older", 1, "b", "vision", 0.5)):
        hub.holdings.put(one)
    assert isinstance(hub.ask("v1", "vision", size="whole"), Placement)
    hub.holdings.put(standing("within", 2, "c", "nlp", 0.5))
    assert going_on(hub) == GoingOn((SliceId("older"),))
    assert going_on(hub, within=Rank.ENTITLED) == GoingOn((SliceId("within"),))
    hub.holdings.put(standing("other", 4, "d", "nlp", 0.5))
    ranks = {"within": Rank.ENTITLED, "other": Rank.ENTITLED}
    assert going_on(hub, **ranks) == GoingOn((SliceId("within"),))
    hub.holdings.hold_back(SliceId("within"), held_back=False)
    assert going_on(hub, **ranks) == GoingOn((SliceId("other"),), (SliceId("runs"),))


def test_a_job_that_is_to_pause_goes_on_all_the_same_within_its_group_s_guarantee() -> None:
    hub = science("H100: 2")
    for one in (standing("within", 1, "a", "nlp"), standing("other", 2, "b", "vision")):
        hub.holdings.put(one)
    assert going_on(hub, "within") == GoingOn((SliceId("other"),))
    found = going_on(hub, "within", "other", within=Rank.ENTITLED)
    assert found == GoingOn((SliceId("within"),))


@pytest.mark.parametrize(
    "of_nlp",
    [", each: {limit: {H100: 1/2}}", ", jobs: {limit: {cards: 1/2}}", ", limit: {memory: 1 GiB}"],
)
def test_a_person_s_limit_one_of_jobs_apart_and_memory_bind_all_the_same(of_nlp: str) -> None:
    hub = science("H100: 2", of_nlp)
    for owner in ("v1", "v2"):
        assert isinstance(hub.ask(owner, "vision", size="whole"), Placement)
    hub.holdings.put(standing("within", 1, "c", "nlp"))
    held = hub.holdings
    found = jobs_to_go_on(
        held,
        lambda owner: rights_of(held.document, owner, ("nlp",)),
        lambda: {JobId("within"): Rank.ENTITLED},
    )
    assert found == GoingOn()


@st.composite
def trees(draw: st.DrawFn) -> tuple[str, dict[str, dict[str, int]]]:
    """A document with its limits: of cards, and perhaps of slices, above two guarantees."""
    lab, law, rest = (draw(st.integers(0, 2)) for _ in range(3))
    all_of_it = lab + law + rest
    limits = {"uni": {"cards": all_of_it + draw(st.integers(0, 2))}, "lab": {}}
    if draw(st.booleans()):
        limits["lab"] = {"cards": lab + draw(st.integers(0, 1))}
    if draw(st.booleans()):
        limits["uni"]["slices"] = draw(st.integers(1, 5))

    def said(name: str) -> str:
        return "{" + ", ".join(f"{key}: {most}" for key, most in limits[name].items()) + "}"

    text = f"""
groups:
  uni:
    guaranteed: {{H100: {all_of_it}}}
    limit: {said("uni")}
    groups:
      lab: {{guaranteed: {{H100: {lab}}}, limit: {said("lab")}}}
      law: {{guaranteed: {{H100: {law}}}}}
"""
    return TYPE + text, limits


PAYERS = st.sampled_from(("lab", "law", "uni"))
JOBS = st.lists(st.tuples(st.sampled_from((0.25, 0.5, 1)), PAYERS), max_size=6)
WISHES = st.lists(
    st.tuples(PAYERS, st.sampled_from(("quarter", "half", "whole")), st.booleans()), max_size=6
)


class World:
    """A small hub with jobs: which are entitled is found anew after each change."""

    def __init__(self, text: str, limits: dict[str, dict[str, int]]) -> None:
        self.hub = SmallHub.under(text, *CARDS)
        self.held = self.hub.holdings
        self.limits = limits

    def ranks(self) -> Mapping[JobId, Rank]:
        jobs = [one for one in self.held.slices() if not one.is_notebook]
        placed = [a_job(one.slice_id, one.group, owner=one.owner) for one in jobs]
        have = {
            JobId(one.slice_id): ("H100", Fraction(one.amount.compute_milli, 1000)) for one in jobs
        }
        return {job.job_id: job.rank for job in order_of(self.held).placed(placed, have)}

    def rank_anew(self) -> Mapping[JobId, Rank]:
        ranks = self.ranks()
        for name, rank in ranks.items():
            found = self.held.slice(SliceId(name))
            assert found is not None
            self.held.put(replace(found, job_rank=rank))
        return ranks

    def let_go_on(self) -> None:
        """Jobs go on, as the service lets them, until none does."""
        for _ in range(20):
            ranks = self.rank_anew()
            found = jobs_to_go_on(
                self.held,
                lambda owner: rights_of(self.held.document, owner, ()),
                lambda known=ranks: known,  # type: ignore[misc]
            )
            if not found.slices:
                assert not found.holds_back
                return
            for name in found.holds_back:
                assert ranks[JobId(name)] is Rank.BORROWED
            for name in found.slices:
                self.held.hold_back(name, held_back=False)
            for name in found.holds_back:
                self.held.hold_back(name, held_back=True)
        raise AssertionError(found)

    def check(self) -> None:
        """Nobody within a guarantee stands still, and beyond a limit nobody runs who borrows."""
        ranks = self.ranks()
        stand = {JobId(one.slice_id) for one in self.held.held_back()}
        if "slices" not in self.limits["uni"]:
            assert Rank.ENTITLED not in {ranks[name] for name in stand}
        for group, limit in self.limits.items():
            below = self.held.jobs_paid_below(GroupName(group))
            running = [one for one in below if not one.held_back]
            node = NodeName(group)
            cards = total(self.held.held(node).cards.values())
            cards += sum(Fraction(one.amount.compute_milli, 1000) for one in running)
            if cards > limit.get("cards", 99):
                borrowed = [one for one in running if ranks[one.slice_id] is Rank.BORROWED]
                assert not borrowed


@given(tree=trees(), jobs=JOBS, wishes=WISHES)
def test_nobody_within_a_guarantee_stands_still_for_what_is_borrowed(
    tree: tuple[str, dict[str, dict[str, int]]],
    jobs: list[tuple[float, str]],
    wishes: list[tuple[str, str, bool]],
) -> None:
    world = World(*tree)
    for n, (size, group) in enumerate(jobs):
        world.held.put(standing(f"j{n}", n, "abcdef"[n], group, size))
    world.let_go_on()
    world.check()
    for number, (group, size, ends) in enumerate(wishes):
        answer = world.hub.ask(f"w{number}", group, size=size)
        if isinstance(answer, Placement):
            beside = world.ranks()
            for name in answer.holds_back:
                world.held.hold_back(name, held_back=True)
                if answer.rank is not Rank.ENTITLED:
                    assert beside[JobId(name)] is not Rank.ENTITLED
            world.let_go_on()
            world.check()
            if ends:
                world.hub.end(f"w{number}")
                world.let_go_on()
                world.check()
