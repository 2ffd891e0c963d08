"""Cards that a compromised agent makes up: beyond what the document expects they keep no guarantee.

Else they would have others' guarantees in force for which there are no real cards, and whoever has
a real one would be called back for them. They are worth what any free card is: room on themselves.
"""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st
from sublet_quota.amounts.gpu_kind import GpuKind
from sublet_quota.holdings.gpu_load import AsBefore, GpuFacts
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.names.ids import GpuId, GroupName, SliceId
from sublet_quota.placement.slice_placement import Placement
from sublet_quota.residency.snapshot import Rank
from sublet_quota.shares.group_tree import NodeName

from tests.support.admission_cases import PARTS, SmallHub
from tests.support.quota_cases import NOON, gib, gpu, holdings, notebook

TEXT = """
gpu_types: {H100: {match: "*H100*", expect: EXPECT}}
pools: [{name: interactive, memory_overcommit: 1, compute_overcommit: 1}]
groups: {lab: {guaranteed: {H100: 2}}, course: {guaranteed: {H100: 2}}, other: {}}
"""


def real(count: int) -> list[GpuFacts]:
    return [gpu(f"real-{index}", index=index) for index in range(count)]


def made_up(count: int) -> list[GpuFacts]:
    return [gpu(f"fake-{index}", node="stranger", index=index) for index in range(count)]


def in_force(held: Holdings) -> Fraction:
    return sum(
        (held.tree("H100").nodes[NodeName(name)].guaranteed for name in ("lab", "course")),
        Fraction(0),
    )


def ranks(held: Holdings) -> dict[str, Rank]:
    return {one.slice_id: held.rank(one.slice_id) for one in held.slices()}


@given(st.integers(1, 5), st.integers(1, 6), st.integers(0, 40))
def test_guarantees_in_force_are_never_more_than_the_cards_that_are_expected(
    expected: int, there: int, fakes: int
) -> None:
    held = holdings(TEXT.replace("EXPECT", str(expected)), *real(there), *made_up(fakes))
    assert in_force(held) == min(4, expected, there + fakes)


@given(st.lists(st.sampled_from(("lab", "course", "other")), max_size=4), st.integers(0, 40))
def test_where_all_real_cards_are_there_nobodys_rank_is_another_for_made_up_ones(
    groups: list[str], fakes: int
) -> None:
    slices = [
        notebook(f"s{n}", f"u{n}", gib(79, 1000), f"real-{n % 2}", group=group, since=n)
        for n, group in enumerate(groups)
    ]
    held = holdings(TEXT.replace("EXPECT", "2"), *real(2), *slices)
    before = ranks(held)
    for card in made_up(fakes):
        held.put_gpu(card)
    assert ranks(held) == before
    for card in made_up(fakes):
        held.remove_gpu(card.gpu_id)
    assert ranks(held) == before


def test_nobody_with_a_real_card_makes_way_for_a_guarantee_that_has_none() -> None:
    text = TEXT.replace("EXPECT", "2") + PARTS
    hub = SmallHub.under(text, *real(2), *made_up(10))
    for index, group in enumerate(("lab", "other")):
        hub.holdings.put(
            notebook(f"r{index}", f"u{index}", gib(79, 1000), f"real-{index}", group=group)
        )
    assert hub.rank("r0") is Rank.ENTITLED
    for number in range(10):
        answer = hub.ask(f"new{number}", "lab", name=f"n{number}", size="whole")
        assert isinstance(answer, Placement)
        assert SliceId("r0") not in answer.calls_back
        if hub.rank(f"n{number}") is not Rank.ENTITLED:
            assert not answer.calls_back
    entitled = [one for one in hub.holdings.slices() if hub.rank(one.slice_id) is Rank.ENTITLED]
    assert len(entitled) <= 2


@given(st.integers(0, 40))
def test_made_up_cards_raise_nobodys_share_of_what_is_expected(fakes: int) -> None:
    held = holdings(TEXT.replace("EXPECT", "2"), *real(2))
    asks = {NodeName(name): Fraction(50) for name in ("lab", "course", "other")}
    shares = held.position("H100", asks).shares
    before = {name: shares[name] for name in asks}
    for card in made_up(fakes):
        held.put_gpu(card)
    shares = held.position("H100", asks).shares
    assert {name: shares[name] for name in asks} == before


def test_what_counts_as_before_is_kept_by_no_made_up_card_either() -> None:
    text = TEXT.replace("EXPECT", "1").replace("lab: {guaranteed: {H100: 2}}", "lab: {}")
    held = holdings(text, *real(1), *made_up(5))
    cards = Fraction(1)
    assert held.steps_as_before("H100", GroupName("lab"), cards, 1) == 1
    held.put(notebook("s", "ada", gib(79, 1000), "real-0", group="lab", before=AsBefore(NOON, 1)))
    assert held.steps_as_before("H100", GroupName("lab"), cards, 1) == 0


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3)), max_size=12))
def test_of_made_up_models_none_is_known_for_longer_than_something_of_it_is_there(
    told: list[tuple[int, int]],
) -> None:
    """Each would cost as much as all groups, and an agent could tell others every second."""
    held = holdings(TEXT.replace("EXPECT", "2"), *real(2))
    before = held.types()
    for card, model in told:
        kind = GpuKind(f"Made up {model}", 1024, 0)
        held.put_gpu(gpu(f"fake-{card}", kind, "stranger", card))
        held.warnings()
    there = {f"Made up {model}" for model in dict(told).values()}
    assert set(held.types()) == {*before, *there}
    for card, model in dict(told).items():
        held.put(notebook(f"s{card}", "u", gib(0.5), f"fake-{card}"))
        held.remove_gpu(GpuId(f"fake-{card}"))
        assert f"Made up {model}" in held.types()
    for card in dict(told):
        held.remove(SliceId(f"s{card}"))
    assert held.types() == before
