"""Holdings: who holds what and by which right, in the cases that people ask about."""

from fractions import Fraction

import pytest
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.names.ids import GpuId, GroupName, NodeId, PoolName, SliceId, UserName
from sublet_quota.residency.snapshot import Rank
from sublet_quota.shares.group_tree import NodeName
from sublet_quota.shares.limits import Amounts

from tests.support.quota_cases import (
    H100,
    L4,
    NOON,
    document,
    gib,
    gpu,
    holdings,
    job_slice,
    notebook,
    part,
)

TWO_POOLS = """
    gpu_types: {H100: {match: '*H100*'}, L4: {match: '*L4*'}}
    pools:
      - {name: fast, types: [H100], lends: {rest: 50%}}
      - {name: rest, memory_overcommit: 1, default: true}
"""
LAB = """
    gpu_types: {H100: {match: '*H100*'}}
    groups:
      lab: {guaranteed: {H100: 2}, groups: {nlp: {guaranteed: {H100: 1}}, cv: {}}}
"""
ONE_EACH = """
    gpu_types: {H100: {match: '*H100*'}}
    groups: {a: {guaranteed: {H100: 1}}, b: {guaranteed: {H100: 1}}}
"""
CARDS = (gpu("c0"), gpu("c1", index=1), gpu("c2", index=2))


def ranks(held: Holdings) -> str:
    return " ".join(
        f"{s}={held.rank(s).name.lower()}" for s in sorted(h.slice_id for h in held.slices())
    )


def test_a_slice_counts_on_its_gpu_its_owner_its_group_and_all_above() -> None:
    held = holdings(LAB, notebook("a", group="nlp", amount=part(1 / 4)), notebook("b"))
    assert held.load(GpuId("gpu-0")).slices == 2
    assert held.held_by(UserName("ada")).slices == 2
    quarter = Amounts({"H100": Fraction(1, 4)}, part(1 / 4).memory_mib, 1)
    assert held.held(NodeName("nlp")) == held.held(NodeName("lab")) == quarter
    assert held.held(held.leaf(None)).slices == 1
    assert [h.slice_id for h in held.slices_on(GpuId("gpu-0"))] == ["a", "b"]


def test_what_is_ready_waits_for_nobody_to_ask() -> None:
    held = holdings(LAB, *CARDS)
    assert held.laid_out() == {}
    held.be_ready()
    assert held.laid_out().keys() == {"H100"}
    assert held.under(held.document, NOON).laid_out().keys() == {"H100"}


def test_a_job_is_counted_apart_and_takes_no_room_from_notebooks() -> None:
    held = holdings(LAB, job_slice("job", group="nlp"))
    assert held.held_by(UserName("ada")) == held.held(NodeName("nlp")) == Amounts()
    assert held.jobs_held(NodeName("lab")).cards == {"H100": Fraction(1)}
    assert held.jobs_held_by(UserName("ada")).slices == 1
    assert held.room(GpuId("gpu-0")) == holdings(LAB).room(GpuId("gpu-0"))


def test_a_slice_that_is_resized_counts_with_its_new_amount() -> None:
    held = holdings("", notebook("a"))
    held.put(notebook("a", amount=gib(30, 100)))
    assert held.load(GpuId("gpu-0")).notebooks == gib(30, 100)
    assert held.held_by(UserName("ada")).memory_mib == gib(30).memory_mib


def test_removing_a_slice_twice_changes_nothing_more() -> None:
    held = holdings("", notebook("a"), notebook("b"))
    assert held.remove(SliceId("a")) == notebook("a")
    assert held.remove(SliceId("a")) is None
    assert held.load(GpuId("gpu-0")).slices == 1


@pytest.mark.parametrize("text", ["", "gpu_types: {A: {match: '*H100*'}, B: {match: '*80GB*'}}"])
def test_a_card_is_news_where_it_was_not_known_or_was_told_otherwise(text: str) -> None:
    held = Holdings(document(text))
    assert held.put_gpu(gpu())
    assert not held.put_gpu(gpu())
    assert held.put_gpu(gpu(closed="XID 79"))
    assert not held.put_gpu(gpu(closed="XID 79"))
    assert held.put_gpu(gpu())


def test_a_card_that_two_types_match_is_closed_for_that_reason() -> None:
    held = holdings("gpu_types: {A: {match: '*H100*'}, B: {match: '*80GB*'}}")
    assert held.gpu(GpuId("gpu-0")).closed == "the quota document's types A, B match"
    assert held.pool_of(GpuId("gpu-0")) is None


def test_a_card_that_two_pools_match_is_closed_for_that_reason() -> None:
    held = holdings(
        "pools: [{name: a, nodes: [node-a, x]}, {name: b, nodes: [node-a], default: true}]"
    )
    assert held.gpu(GpuId("gpu-0")).closed == "the quota document's pools a, b match"
    held = held.under(document(), NOON)
    assert held.gpu(GpuId("gpu-0")).closed is None


def test_without_types_in_the_document_a_models_name_is_its_type() -> None:
    held = holdings("", gpu("h", H100), gpu("l", L4))
    assert [held.type_of(GpuId(name)) for name in "hl"] == [H100.type, L4.type]


def test_cards_are_the_open_ones_that_a_pool_has() -> None:
    cards = (gpu("c0"), gpu("c1", closed="XID 79"), gpu("c2", pause_only=True))
    assert holdings(LAB, *cards).cards("H100") == 2
    assert holdings("pools: [{name: p, types: [NVIDIA L4]}]", *cards).cards(H100.type) == 0


def test_slices_on_a_gpu_that_is_gone_stay_on_their_payers_account() -> None:
    held = holdings(LAB, notebook("a", group="nlp"))
    before = held.held(NodeName("nlp"))
    held.remove_gpu(GpuId("gpu-0"))
    held.put(notebook("a", group="nlp", unsuspendable=True))
    assert held.held(NodeName("nlp")) == before
    assert not held.kinds_in(PoolName("interactive"))
    held.remove(SliceId("a"))
    assert held.type_of(GpuId("gpu-0")) is None


def test_slices_told_before_their_gpu_count_once_it_is_known() -> None:
    late = Holdings(document(LAB))
    late.put(notebook("a", group="nlp"))
    assert late.held(NodeName("nlp")).cards == {}
    late.put_gpu(gpu())
    assert late.room(GpuId("gpu-0")) == holdings(LAB, notebook("a")).room(GpuId("gpu-0"))
    assert late.rank(SliceId("a")) is Rank.ENTITLED


def test_slices_are_entitled_within_their_groups_guarantee_and_then_within_the_one_above() -> None:
    slices = [notebook(f"s{n}", group="nlp", amount=part(1), on=f"c{n}", since=n) for n in range(3)]
    held = holdings(LAB, *CARDS, *slices)
    assert ranks(held) == "s0=entitled s1=entitled_in_part s2=borrowed"
    assert held.entitled_steps("H100", GroupName("cv"), Fraction(1)) == 0
    held.remove(SliceId("s0"))
    assert ranks(held) == "s1=entitled s2=entitled_in_part"


def test_what_was_called_back_is_told_while_it_is_borrowed() -> None:
    held = holdings(
        LAB, notebook("a", called_back=True), notebook("b", group="nlp", called_back=True)
    )
    assert ranks(held) == "a=called_back b=entitled"


def test_what_was_called_back_counts_in_no_room_for_others() -> None:
    held = holdings(LAB, notebook("a", amount=part(1)))
    held.mark_called_back(SliceId("a"), called_back=True)
    assert held.room(GpuId("gpu-0")).shared_mib == holdings(LAB).room(GpuId("gpu-0")).shared_mib
    assert held.room(GpuId("gpu-0")).alone_mib == 0


def test_ranks_that_change_are_told_once() -> None:
    slices = [notebook(f"s{n}", group="nlp", amount=part(1), on=f"c{n}", since=n) for n in range(3)]
    held = holdings(LAB, *CARDS, *slices)
    assert held.ranks_changed() == {"s0", "s1", "s2"}
    held.remove(SliceId("s0"))
    assert (held.ranks_changed(), held.ranks_changed()) == ({"s1", "s2"}, frozenset())
    assert held.under(document(LAB), NOON).ranks_changed() == frozenset()


def test_a_slice_of_a_group_that_the_document_does_not_have_counts_for_no_group() -> None:
    held = holdings(LAB, notebook("a", group="gone"))
    assert held.leaf(GroupName("gone")) == held.leaf(None)
    assert ranks(held) == "a=borrowed"


def test_too_few_cards_cut_guarantees_and_leave_no_trace_when_they_come_back() -> None:
    young = notebook("young", group="a", amount=part(1), on="c0", since=9)
    held = holdings(ONE_EACH, *CARDS[:2], young, notebook("b", group="b", amount=part(1), on="c1"))
    held.put(notebook("old", group="a", amount=part(1), on="c1", since=0))
    assert ranks(held) == "b=entitled old=borrowed young=entitled"
    for name in ("c0", "c1"):
        held.put_gpu(gpu(name, closed="silent"))
    assert ranks(held) == "b=borrowed old=borrowed young=borrowed"
    for card in CARDS[:2]:
        held.put_gpu(card)
    assert ranks(held) == "b=entitled old=borrowed young=entitled"


def test_odd_cards_go_to_whose_turn_it_is() -> None:
    for first in ("a", "b"):
        turns = {NodeName(name): (name != first, 0) for name in ("a", "b", "/")}
        held = Holdings(document(ONE_EACH), [gpu()], turns=turns)
        kept = {name for name in ("a", "b") if held.tree("H100").nodes[NodeName(name)].guaranteed}
        assert kept == {first}


def test_what_is_entitled_stays_so_when_all_is_added_up_anew() -> None:
    text = "gpu_types: {H100: {match: '*H100*'}}\ngroups: {a: {guaranteed: {H100: 1}}}"
    held = holdings(text, *CARDS, notebook("young", group="a", amount=part(1), on="c0", since=9))
    held.put(notebook("old", group="a", amount=part(1), on="c1"))
    again = Holdings(held.document, held.gpus(), held.slices(), held.lasting_steps())
    assert ranks(again) == ranks(held) == "old=borrowed young=entitled"


def test_what_a_pool_lends_are_the_borrowed_slices_of_another_on_its_cards() -> None:
    text = TWO_POOLS + "    groups: {a: {guaranteed: {H100: 1}}}\n"
    held = holdings(
        text,
        gpu("h", H100),
        notebook("own", amount=part(1 / 4), on="h", pool="fast"),
        notebook("borrowed", amount=part(1 / 4), on="h", pool="rest"),
        notebook("entitled", group="a", amount=part(1 / 2), on="h", pool="rest"),
    )
    assert held.lent(PoolName("fast"), PoolName("rest")) == Fraction(1, 4)
    assert held.cards_in(PoolName("fast")) == 1


def test_what_is_entitled_with_too_few_cards_stays_so_when_all_is_added_up_anew() -> None:
    text = "gpu_types: {H100: {match: '*H100*'}}\ngroups: {lab: {guaranteed: {H100: 2}}}"
    sizes = (1 / 2, 1, 1 / 2)
    slices = [
        notebook(f"s{n}", group="lab", amount=part(size), since=n) for n, size in enumerate(sizes)
    ]
    held = holdings(text, gpu(), *slices)
    assert ranks(held) == "s0=entitled s1=borrowed s2=entitled"
    held.remove(SliceId("s0"))
    assert ranks(held) == "s1=borrowed s2=entitled"
    again = Holdings(
        held.document,
        held.gpus(),
        held.slices(),
        held.lasting_steps(),
        in_force=held.steps_in_force(),
    )
    assert ranks(again) == "s1=borrowed s2=entitled"


def test_the_cards_of_a_node_are_those_that_are_there_now() -> None:
    held = Holdings(document(""), [gpu("a"), gpu("b", index=1), gpu("c", node="node-b")])
    held.put_gpu(gpu("a", node="node-b"))
    held.remove_gpu(GpuId("c"))
    for node, expected in {"node-a": {"b"}, "node-b": {"a"}, "node-c": set()}.items():
        assert {each.gpu_id for each in held.gpus_on(NodeId(node))} == expected
