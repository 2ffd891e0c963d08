"""Host memory: what is borrowed has room to make way, with its whole cap, beside guarantees.

Each card gives 79 GiB; a quarter of one is 19.75 GiB.
"""

from dataclasses import replace
from textwrap import dedent

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sublet_quota.admission.slice_request import RequestedSlice
from sublet_quota.holdings.gpu_load import GpuFacts
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.jobs.job_queue import BesideOthers, QueuePlan, plan_queue
from sublet_quota.jobs.lent_room.lendable_gpus import lendable_gpus
from sublet_quota.jobs.payers.job_limits import JobLimits
from sublet_quota.jobs.waiting_job import WaitingJob
from sublet_quota.names.home_claim import HomeInUse
from sublet_quota.names.ids import GpuId, JobId, NodeId, SliceId
from sublet_quota.placement.finding.question import Question
from sublet_quota.placement.offers import offers_for
from sublet_quota.placement.resize import NewSize, Resized, decide_resize
from sublet_quota.placement.slice_placement import Placement, decide_slice
from sublet_quota.preview.present_state import present_state
from sublet_quota.reasons.helping import HelpKind
from sublet_quota.reasons.refusal import Refusal, RefusalReason
from sublet_quota.reasons.waiting import QueueReason
from sublet_quota.residency.snapshot import Rank

from tests.support.admission_cases import PARTS, SmallHub
from tests.support.job_cases import a_job, ordered, planned
from tests.support.quota_cases import NOON, gib, gpu, job_slice, notebook, part
from tests.support.quota_documents import document

TYPE = "gpu_types: {H100: {match: '*H100*'}}\n"
LAB = TYPE + PARTS + "groups: {lab: {guaranteed: {H100: 1}}, zoo: {}}\n"
TWO_CARDS = (gpu("a"), gpu("b", index=1))
NODE = NodeId("node-a")
QUARTER_MIB = int(79 * 1024 / 4)


def hub(host_gib: float | None, text: str = LAB, *slices) -> SmallHub:
    made = SmallHub.under(text, *TWO_CARDS, *slices)
    tell(made.holdings, host_gib)
    return made


def tell(holdings: Holdings, host_gib: float | None, node: NodeId = NODE) -> None:
    holdings.host_memory.put(node, None if host_gib is None else int(host_gib * 1024))


def test_borrowed_slices_are_let_in_while_all_could_be_suspended_beside_what_is_laid_out() -> None:
    small = hub(79 + 50)
    for name in "uv":
        assert isinstance(small.ask(name, size="quarter"), Placement)
    refused = small.ask("w", size="quarter")
    assert isinstance(refused, Refusal)
    assert refused.reason is RefusalReason.NO_ROOM
    assert refused.numbers == {
        "asked_mib": QUARTER_MIB,
        "host_free_mib": 50 * 1024 - 2 * QUARTER_MIB,
        "host_mib": (79 + 50) * 1024,
    }
    assert "must be able to make way" in refused.message
    assert "Node 'node-a'" in refused.message
    less = small.ask("w", memory_mib=10 * 1024, compute_milli=100)
    assert isinstance(less, Placement), "10.5 GiB are left"


@pytest.mark.parametrize(
    ("host_gib", "text"), [(None, LAB), (0, TYPE + PARTS + "groups: {zoo: {}}\n")]
)
def test_nobody_is_refused_where_it_is_not_told_or_nothing_is_guaranteed(
    host_gib: float | None, text: str
) -> None:
    made = hub(host_gib, text)
    for number in range(8):
        assert isinstance(made.ask(f"u{number}", size="quarter"), Placement)


def test_who_is_entitled_is_never_refused_for_it() -> None:
    made = hub(0)
    answer = made.ask("lea", "lab", size="whole")
    assert isinstance(answer, Placement)
    assert answer.rank is Rank.ENTITLED
    assert isinstance(made.ask("zoe", "zoo", size="quarter"), Refusal)


def test_what_is_entitled_in_part_is_let_in_as_what_is_laid_out_for_the_group_above_it() -> None:
    text = (
        TYPE
        + PARTS
        + dedent(
            """
        groups:
          up: {guaranteed: {H100: 1}, groups: {one: {guaranteed: {H100: 1}}, two: {}}}
        """
        )
    )
    answer = hub(0, text).ask("tom", "two", size="half")
    assert isinstance(answer, Placement)
    assert answer.rank is Rank.ENTITLED_IN_PART


def test_what_is_borrowed_goes_to_a_node_where_it_can_be_suspended() -> None:
    made = SmallHub.under(LAB, gpu("a"), gpu("c", node="node-c"), gpu("d", node="node-d"))
    tell(made.holdings, 79 + 10)
    tell(made.holdings, 10, NodeId("node-c"))
    answer = made.ask("zoe", size="half")
    assert isinstance(answer, Placement)
    assert answer.gpu_id == "d"


FEW = (
    TYPE
    + PARTS
    + dedent("""
    pools: [{name: interactive, memory_overcommit: 1, compute_overcommit: 1}]
    groups: {lab: {guaranteed: {H100: 1}}, zoo: {weight: 2}, bee: {}}
    """)
)
asking = st.tuples(st.sampled_from(["zoo", "bee"]), st.sampled_from(["quarter", "half", "whole"]))


@given(st.lists(asking, min_size=4, max_size=30), st.sets(st.integers(0, 15), max_size=2), asking)
def test_where_few_nodes_have_host_memory_they_alone_are_looked_at(
    asked: list[tuple[str, str]], with_memory: set[int], last: tuple[str, str]
) -> None:
    cards = [gpu(f"c{number}", node=f"node-{number}") for number in range(16)]
    made = SmallHub.under(FEW, *cards)
    for number, (group, size) in enumerate(asked):
        made.hand_out(RequestedSlice(f"u{number}", (group,), size), f"s{number}")
    for number in range(16):
        tell(made.holdings, 1000 if number in with_memory else 0, NodeId(f"node-{number}"))
    question = Question(made.holdings, RequestedSlice("eve", last[:1], last[1]))
    for option in question.admission.options:
        looked_at = [facts.gpu_id for facts, _ in question.cards(option)]
        every = Question(made.holdings, question.wish, any_host=True).cards(option)
        short = option.rank is Rank.BORROWED
        assert looked_at == [
            facts.gpu_id
            for facts, _ in every
            if not short or int(facts.node.removeprefix("node-")) in with_memory
        ]


def test_room_is_taken_for_a_share_only_where_who_comes_could_be_suspended_too() -> None:
    once = "pools: [{name: interactive, memory_overcommit: 1, compute_overcommit: 1}]\n"
    full = [notebook(f"z{n}", f"z{n}", part(0.5), "ab"[n % 2], group="zoo") for n in range(4)]
    text = TYPE + PARTS + once + "groups: {lab: {guaranteed: {H100: 1}}, zoo: {}, bee: {}}\n"
    plenty, scarce = hub(400, text, *full), hub(79 * 3 + 30, text, *full)
    taken = plenty.ask("ben", "bee", size="half")
    assert isinstance(taken, Placement)
    assert taken.calls_back, "who is called back lies in host memory then"
    refused = scarce.ask("ben", "bee", size="half")
    assert isinstance(refused, Refusal)
    assert refused.numbers["host_free_mib"] == 30 * 1024


def test_room_in_pieces_is_put_together_only_where_who_comes_could_be_suspended_too() -> None:
    once = "pools: [{name: interactive, memory_overcommit: 1, compute_overcommit: 1}]\n"
    text = TYPE + PARTS + once + "groups: {lab: {guaranteed: {H100: 0.25}}, zoo: {}}\n"
    half_full = [notebook(f"z{n}", f"z{n}", part(0.5), "ab"[n], group="zoo") for n in range(2)]
    plenty, scarce = hub(400, text, *half_full), hub(100, text, *half_full)
    moved = plenty.ask("ben", size="whole")
    assert isinstance(moved, Placement)
    assert moved.moves
    refused = scarce.ask("ben", size="whole")
    assert isinstance(refused, Refusal)
    assert "host memory" in refused.message


def test_what_can_never_be_suspended_needs_none() -> None:
    answer = hub(0).ask("ada", size="half", never_suspended=True)
    assert isinstance(answer, Placement)


def test_entitled_slices_beyond_what_is_laid_out_where_they_lie_need_theirs() -> None:
    crowded = [notebook(f"l{n}", f"l{n}", part(0.5), "a", group="lab") for n in range(2)]
    away = notebook("j", "lea", part(0.5), "b", group="lab")
    made = hub(200, LAB, *crowded, away)
    room = made.holdings.host_memory.room(NODE)
    assert room is not None
    assert (room.of_guarantees_mib, room.borrowed_mib) == (79 * 1024, 79 * 512)
    job = job_slice("job", amount=gib(30), on="b", group="lab", entitled=True)
    made.holdings.put(job)
    room = made.holdings.host_memory.room(NODE)
    assert room is not None
    assert room.of_guarantees_mib == (79 + 30) * 1024


JOB = job_slice("job", amount=gib(30), on="b", group="zoo")


def test_a_job_on_lent_room_needs_host_memory_where_it_may_be_suspended() -> None:
    made = hub(79 + 50, LAB, JOB)
    room = made.holdings.host_memory.room(NODE)
    assert room is not None
    assert (room.lent_mib, room.free_mib) == (30 * 1024, 20 * 1024)
    assert isinstance(made.ask("u", size="quarter"), Placement)
    refused = made.ask("v", size="quarter")
    assert isinstance(refused, Refusal)
    assert refused.numbers["host_free_mib"] == 20 * 1024 - QUARTER_MIB
    assert "other borrowed slices and jobs" in refused.message
    made.holdings.remove(JOB.slice_id)
    assert isinstance(made.ask("v", size="quarter"), Placement)


def test_whose_jobs_take_the_host_memory_is_told() -> None:
    refused = hub(79 + 40, LAB, JOB).ask("zoe", size="quarter")
    assert isinstance(refused, Refusal)
    assert refused.waits_for == ("zoo",)


@pytest.mark.parametrize(
    ("card", "job"),
    [(gpu("b", index=1), {"unsuspendable": True}), (gpu("b", index=1, pause_only=True), {})],
    ids=["ended instead", "nothing is suspended there"],
)
def test_a_job_that_is_never_suspended_needs_none(card: GpuFacts, job: dict[str, bool]) -> None:
    made = SmallHub.under(LAB, gpu("a"), card, replace(JOB, **job))
    tell(made.holdings, 79 + 50)
    room = made.holdings.host_memory.room(NODE)
    assert room is not None
    assert (room.lent_mib, room.free_mib) == (0, 50 * 1024)


def waiting(made: SmallHub, *jobs: WaitingJob) -> dict[str, object]:
    """Where jobs begin, and why others wait, where each card lends all it has."""
    plan = planned(made.holdings, *jobs)
    began = {each.job.job_id: each.gpu_id for each in plan.placements}
    return {**began, **{each.job_id: each.why.reason for each in plan.waits}}


def test_a_job_begins_on_lent_room_only_where_it_could_be_suspended() -> None:
    jobs = [a_job(name, "zoo", 30, minute=at, compute_milli=500) for at, name in enumerate("jk")]
    assert waiting(hub(79 + 60), *jobs) == {"j": "a", "k": "a"}
    assert waiting(hub(79 + 50), *jobs) == {"j": "a", "k": QueueReason.GPU_KEPT}
    borrowed = notebook("u", "uma", gib(30), "b", group="zoo")
    (wait,) = planned(hub(79 + 50, LAB, borrowed).holdings, *jobs[:1]).waits
    assert (wait.why.reason, wait.why.host_mib) == (QueueReason.HOST_MEMORY, 20 * 1024)
    assert wait.why.need_mib == 30 * 1024


def test_a_job_that_finds_no_host_memory_lets_one_begin_that_does() -> None:
    large, small = a_job("j", "zoo", 60), a_job("k", "zoo", 20, minute=1)
    assert waiting(hub(79 + 50), large, small) == {"j": QueueReason.HOST_MEMORY, "k": "a"}


def test_small_jobs_do_not_starve_a_large_one_of_host_memory() -> None:
    """Those that are on another card of the node make room for it there: nobody takes that."""
    made = hub(79 + 70, LAB, JOB)
    large, small = a_job("j", "zoo", 60), a_job("k", "lab", 35, owner="kim", minute=1)
    lends = {GpuId("a"): 79 * 1024, GpuId("b"): 0}

    def found(*jobs: WaitingJob) -> QueuePlan:
        limits, gpus = JobLimits(made.holdings), lendable_gpus(made.holdings, lends)
        beside = BesideOthers(host_memory=made.holdings.host_memory)
        return plan_queue(jobs, gpus, lending=True, limits=limits, beside=beside)

    assert [each.gpu_id for each in found(small).placements] == ["a"]
    first, second = found(large, small).waits
    assert (first.why.reason, first.why.host_mib) == (QueueReason.HOST_MEMORY, 40 * 1024)
    assert (second.why.reason, second.why.behind) == (QueueReason.BEHIND_OTHERS, ("zoo",))
    made.holdings.remove(JOB.slice_id)
    assert [each.job.job_id for each in found(large, small).placements] == ["j"]


@pytest.mark.parametrize(
    ("reason", "lends_b"), [(QueueReason.GPU_KEPT, 79), (QueueReason.HOST_MEMORY, 0)]
)
def test_host_memory_is_kept_for_who_waits_for_it_or_for_a_card_there_and_on_no_other_node(
    reason: QueueReason, lends_b: int
) -> None:
    made = SmallHub.under(LAB, gpu("a"), gpu("b", index=1), gpu("c", node="node-c"))
    made.holdings.put(JOB)
    tell(made.holdings, 79 + 70)
    tell(made.holdings, 45, NodeId("node-c"))
    large, small = a_job("j", "zoo", 60), a_job("k", "zoo", 20, minute=1)
    lends = {GpuId("a"): 79 * 1024, GpuId("b"): lends_b * 1024, GpuId("c"): 79 * 1024}
    limits, gpus = JobLimits(made.holdings), lendable_gpus(made.holdings, lends)
    beside = BesideOthers(host_memory=made.holdings.host_memory)
    plan = plan_queue((large, small), gpus, lending=True, limits=limits, beside=beside)
    assert [each.why.reason for each in plan.waits] == [reason]
    assert [each.gpu_id for each in plan.placements] == ["c"]


def test_a_job_goes_to_a_node_where_it_could_be_suspended() -> None:
    made = SmallHub.under(LAB, gpu("a"), gpu("c", node="node-c"), gpu("d", node="node-d"))
    tell(made.holdings, 79 + 10)
    tell(made.holdings, 10, NodeId("node-c"))
    job = a_job("j", "zoo", 30)
    assert waiting(made, job, replace(job, job_id=JobId("k"))) == {"j": "d", "k": "d"}
    there = replace(job, job_id=JobId("k"), node=NodeId("node-c"))
    assert waiting(made, there) == {"k": QueueReason.HOST_MEMORY}


def test_an_entitled_job_needs_no_host_memory_but_its_guarantee_s() -> None:
    made = hub(0)
    (job,) = ordered(made.holdings, a_job("j", "lab", 60))
    assert isinstance(waiting(made, job)["j"], str)
    assert [each.job.job_id for each in planned(made.holdings, job).placements] == ["j"]


def test_a_card_is_kept_for_a_job_until_jobs_there_leave_host_memory_too() -> None:
    made = hub(79 + 40, LAB, JOB)
    lends = {GpuId("a"): 0, GpuId("b"): 49 * 1024}

    def found(gib_asked: int) -> QueuePlan:
        limits, gpus = JobLimits(made.holdings), lendable_gpus(made.holdings, lends)
        beside = BesideOthers(host_memory=made.holdings.host_memory)
        job = a_job("j", "zoo", gib_asked)
        return plan_queue((job,), gpus, lending=True, limits=limits, beside=beside)

    assert found(10).placements
    assert found(40).waits[0].why.reason is QueueReason.GPU_KEPT
    assert found(45).waits[0].why.reason is QueueReason.HOST_MEMORY


def test_a_slice_grows_only_as_far_as_it_could_be_suspended() -> None:
    made = hub(79 + 30)
    mine = notebook("u", "ada", gib(20, 250), "b")
    grown = decide_resize(made.holdings, mine, (), NewSize(memory_mib=29 * 1024), 0)
    assert isinstance(grown, Resized)
    refused = decide_resize(made.holdings, mine, (), NewSize(memory_mib=31 * 1024), 0)
    assert isinstance(refused, Refusal)
    assert refused.numbers["host_free_mib"] == 30 * 1024


def test_offers_and_previews_know_of_it() -> None:
    made = hub(79 + 30)
    assert [o.allowed for o in offers_for(made.holdings, "ada", ()).offers] == [True, False, False]
    copy = present_state(made.holdings).holdings()
    for known in (copy, made.holdings.under(document(LAB + "shrink: {grace: 0}\n"), NOON)):
        assert known.host_memory.told == {NODE: 109 * 1024}
        assert isinstance(decide_slice(known, RequestedSlice("ada", size="half")), Refusal)
    tell(made.holdings, 300)
    copy.catch_up(made.holdings)
    assert isinstance(decide_slice(copy, RequestedSlice("ada", size="half")), Placement)


def test_what_would_help_is_told_and_helps() -> None:
    made = hub(79 + 45)
    assert isinstance(made.ask("ada", size="quarter", name="first"), Placement)
    assert isinstance(made.ask("ada", size="quarter", name="second"), Placement)
    refused = made.ask("ada", size="half", name="third")
    assert isinstance(refused, Refusal)
    assert [each.kind for each in refused.helps] == [HelpKind.STOP_ALL]
    made.end("first", "second")
    assert isinstance(made.ask("ada", size="half"), Placement)
    others = hub(79 + 45)
    assert isinstance(others.ask("zoe", "zoo", size="half"), Placement)
    refused = others.ask("ada", size="quarter")
    assert isinstance(refused, Refusal)
    assert refused.waits_for == ("zoo",)
    assert HelpKind.SOMEBODY_STOPS in [each.kind for each in refused.helps]
    others.end("zoe")
    assert isinstance(others.ask("ada", size="quarter"), Placement)


def test_a_node_without_host_memory_where_no_room_is_either_is_not_said_to_be_closed() -> None:
    once = "pools: [{name: interactive, memory_overcommit: 1, compute_overcommit: 1}]\n"
    full = [notebook(f"l{n}", f"l{n}", part(1), card, group="lab") for n, card in enumerate("ab")]
    made = hub(0, TYPE + PARTS + once + "groups: {lab: {guaranteed: {H100: 2}}, zoo: {}}\n", *full)
    at_home = HomeInUse(NODE, "a server")
    for wish in ({}, {"home": at_home}):
        refused = made.ask("zoe", "zoo", size="half", **wish)
        assert isinstance(refused, Refusal)
        assert "has room for" in refused.message


SIZES = st.sampled_from(("quarter", "half", "whole"))
WISHES = st.lists(
    st.tuples(st.sampled_from(("", "lab", "zoo")), SIZES, st.booleans()), min_size=1, max_size=14
)


@given(
    sizes=st.lists(st.integers(1, 79), max_size=12),
    held=st.lists(st.tuples(st.sampled_from("ab"), st.booleans()), max_size=4),
    host_gib=st.integers(0, 400),
)
def test_no_job_begins_on_lent_room_that_no_host_memory_is_left_for(
    sizes: list[int], held: list[tuple[str, bool]], host_gib: int
) -> None:
    there = [
        replace(JOB, slice_id=SliceId(f"h{n}"), gpu_id=GpuId(card), unsuspendable=stays)
        for n, (card, stays) in enumerate(held)
    ]
    made = hub(host_gib, LAB, *there)
    before = made.holdings.host_memory.room(NODE)
    assert before is not None
    jobs = [a_job(f"j{n}", "zoo", size, minute=n) for n, size in enumerate(sizes)]
    plan = planned(made.holdings, *jobs)
    assert len(plan.placements) + len(plan.waits) == len(jobs)
    assert sum(each.amount.memory_mib for each in plan.placements) <= before.free_mib
    for placed in plan.placements:
        new = replace(JOB, slice_id=SliceId(placed.job.job_id), amount=placed.amount)
        made.holdings.put(new)
    after = made.holdings.host_memory.room(NODE)
    assert after is not None
    assert after.free_mib == before.free_mib - sum(
        each.amount.memory_mib for each in plan.placements
    )


@given(wishes=WISHES, host_gib=st.integers(0, 400))
def test_no_borrowed_slice_is_let_in_that_no_host_memory_is_left_for(
    wishes: list[tuple[str, str, bool]], host_gib: int
) -> None:
    made = hub(host_gib)
    for number, (group, size, ends) in enumerate(wishes):
        before = made.holdings.host_memory.room(NODE)
        assert before is not None
        name = f"u{number}"
        answer = made.ask(name, *filter(None, [group]), size=size)
        if isinstance(answer, Placement) and answer.rank is Rank.BORROWED:
            assert answer.amount.memory_mib <= before.free_mib
        if isinstance(answer, Placement) and ends:
            made.end(name)
