"""The job queue: which job goes where, and what the others are told."""

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sublet_quota.amounts.gpu_amounts import GpuAmount
from sublet_quota.amounts.gpu_kind import GpuKind
from sublet_quota.jobs.job_queue import QueuePlan, plan_queue
from sublet_quota.jobs.lent_room.lendable_gpus import LendableGpu, lendable_gpus
from sublet_quota.jobs.waiting_job import WaitingJob
from sublet_quota.names.ids import GpuId, JobId, NodeId, PoolName, UserName
from sublet_quota.reasons.waiting import queue_clause

from tests.support.quota_cases import H100, L4, NOON, gib, gpu, holdings, job_slice

WHOLE = None


def job(
    name: str,
    need_gib: int | None = WHOLE,
    gpu_type: str | None = None,
    node: str | None = None,
) -> WaitingJob:
    return WaitingJob(
        job_id=JobId(name),
        owner=UserName("ada"),
        memory_mib=None if need_gib is None else need_gib * 1024,
        compute_milli=1000,
        gpu_type=gpu_type,
        priority=0,
        submitted_at=NOON,
        node=None if node is None else NodeId(node),
    )


def lends(  # noqa: PLR0913 - a builder
    name: str,
    lendable_gib: int,
    kind: GpuKind = H100,
    jobs_gib: int = 0,
    index: int = 0,
    *,
    node: str = "node-a",
) -> LendableGpu:
    facts = gpu(name, kind, node, index)
    lendable_mib, jobs_mib = lendable_gib * 1024, jobs_gib * 1024
    return LendableGpu(facts, PoolName("interactive"), kind.type, lendable_mib, jobs_mib)


@dataclass(frozen=True)
class Case:
    jobs: tuple[WaitingJob, ...]
    gpus: tuple[LendableGpu, ...]
    placed: dict[str, str] = field(default_factory=dict)
    waits: dict[str, str] = field(default_factory=dict)
    lending: bool = True


CASES = {
    "a job goes where there is room": Case((job("j", 40),), (lends("a", 50),), {"j": "a"}),
    "a job goes to the tightest GPU": Case(
        (job("j", 20),), (lends("a", 79), lends("b", 30)), {"j": "b"}
    ),
    "a whole GPU is a GPU that lends all of it": Case(
        (job("j"),), (lends("a", 78), lends("b", 79)), {"j": "b"}
    ),
    "a whole GPU may be a small one": Case(
        (job("j"),), (lends("a", 70), lends("l", 23, L4)), {"j": "l"}
    ),
    "a job goes to a GPU of the type it asks for": Case(
        (job("j", 10, "*H100*"),), (lends("l", 23, L4), lends("h", 79)), {"j": "h"}
    ),
    "two jobs share what one GPU lends": Case(
        (job("i", 40), job("j", 39)), (lends("a", 79),), {"i": "a", "j": "a"}
    ),
    "what a job takes the next does not find": Case(
        (job("i", 40), job("j", 40)),
        (lends("a", 79),),
        {"i": "a"},
        {"j": "needs 40 GiB: GPU 0 of node-a is kept for it until the jobs there are done"},
    ),
    "a small job passes a large one for which no job makes room": Case(
        (job("large", 60), job("small", 20)),
        (lends("a", 30),),
        {"small": "a"},
        {
            "large": "needs 60 GiB, and the most that one GPU can lend now is 30 GiB: "
            "it begins when more slices are idle"
        },
    ),
    "a small job does not take the GPU that is kept for a large one": Case(
        (job("large", 60), job("small", 20)),
        (lends("a", 30, jobs_gib=40),),
        {},
        {
            "large": "needs 60 GiB: GPU 0 of node-a is kept for it until the jobs there are done",
            "small": "needs 20 GiB, and the GPUs that could give that are kept for jobs before it: "
            "it begins after those",
        },
    ),
    "another GPU is still free for the small job": Case(
        (job("large", 60), job("small", 20)),
        (lends("a", 30, jobs_gib=40), lends("b", 20, index=1)),
        {"small": "b"},
        {"large": "needs 60 GiB: GPU 0 of node-a is kept for it until the jobs there are done"},
    ),
    "two large jobs do not wait for the same GPU": Case(
        (job("i", 60), job("j", 60)),
        (lends("a", 10, jobs_gib=69), lends("b", 10, jobs_gib=69, index=1)),
        {},
        {"i": "needs 60 GiB: GPU 0 of", "j": "needs 60 GiB: GPU 1 of"},
    ),
    "nothing begins while lending is off": Case(
        (job("j", 1),),
        (lends("a", 79),),
        {},
        {"j": "lending is switched off: no job begins until it is on again"},
        lending=False,
    ),
    "a job goes to the one node on which it can run": Case(
        (job("j", 20, node="node-b"),),
        (lends("a", 30), lends("b", 79, node="node-b"), lends("c", 40, node="node-b", index=1)),
        {"j": "c"},
    ),
    "a job of one node does not take another's room, nor keep it": Case(
        (job("bound", 40, node="node-b"), job("free", 40)),
        (lends("a", 40), lends("b", 10, node="node-b")),
        {"free": "a"},
        {
            "bound": "needs 40 GiB, and the most that one GPU of node-b can lend now is 10 GiB: "
            "it begins when more slices are idle; it runs on node-b alone, where its owner's "
            "files are in use"
        },
    ),
    "a GPU of the one node is kept until the jobs there are done": Case(
        (job("bound", 60, node="node-b"), job("small", 20)),
        (lends("a", 10, jobs_gib=69), lends("b", 30, jobs_gib=40, node="node-b")),
        {},
        {"bound": "needs 60 GiB: GPU 0 of node-b is kept for it", "small": "needs 20 GiB: GPU 0"},
    ),
    "what others were given on the one node a job does not find": Case(
        (job("i", 60, node="node-b"), job("j", 60, node="node-b"), job("k", 5, node="node-b")),
        (lends("b", 79, node="node-b"),),
        {"i": "b"},
        {
            "j": "needs 60 GiB: GPU 0 of node-b is kept",
            "k": "needs 5 GiB, and the GPUs of node-b that",
        },
    ),
    "no GPU on the one node": Case(
        (job("j", 1, node="node-b"),),
        (lends("a", 79),),
        {},
        {"j": "no GPU of node-b is open to jobs now; it runs on node-b alone"},
    ),
    "no GPU at all": Case((job("j"),), (), {}, {"j": "no GPU is open to jobs now"}),
    "no GPU of the type": Case(
        (job("j", 1, "B200"),),
        (lends("a", 79),),
        {},
        {"j": "no GPU of type 'B200' is open to jobs now"},
    ),
    "no GPU that is large enough": Case(
        (job("j", 60),),
        (lends("l", 23, L4),),
        {},
        {"j": "needs 60 GiB, and the largest GPU that is open to jobs now gives 23 GiB"},
    ),
    "a whole GPU that is in use": Case(
        (job("j"),),
        (lends("a", 12),),
        {},
        {
            "j": "needs a whole GPU (79 GiB): it begins when all slices on one GPU are idle; the "
            "most that one can lend now is 12 GiB"
        },
    ),
    "a whole GPU that its owners use all of": Case(
        (job("j"),),
        (lends("a", 0),),
        {},
        {"j": "needs a whole GPU (79 GiB): it begins when all slices on one GPU are idle"},
    ),
    "no GPU lends anything": Case(
        (job("j", 20),),
        (lends("a", 0),),
        {},
        {"j": "needs 20 GiB, and no GPU can lend any now: it begins when slices are idle"},
    ),
    "a whole GPU that is kept for who came before": Case(
        (job("i"), job("j")),
        (lends("a", 0, jobs_gib=79),),
        {},
        {
            "i": "needs a whole GPU (79 GiB): GPU 0 of node-a is kept for it",
            "j": "needs a whole GPU (79 GiB), and the GPUs that could give that are kept for jobs",
        },
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_queue(name: str) -> None:
    case = CASES[name]
    plan = plan_queue(case.jobs, case.gpus, lending=case.lending)
    assert {p.job.job_id: p.gpu_id for p in plan.placements} == case.placed
    assert [w.job_id for w in plan.waits] == list(case.waits)
    assert [w.place for w in plan.waits] == list(range(1, len(case.waits) + 1))
    for wait in plan.waits:
        assert case.waits[wait.job_id] in queue_clause(wait.why)
        assert "0 MiB" not in queue_clause(wait.why)


def test_a_whole_gpu_is_what_slices_can_fill_of_it() -> None:
    plan = plan_queue([job("j")], [lends("a", 79)], lending=True)
    assert plan.placements[0].amount == GpuAmount(79 * 1024, 1000)


def test_only_open_gpus_of_pools_that_lend_are_considered() -> None:
    held = holdings(
        """
        gpu_types: {L4: {match: "*L4*"}}
        pools:
          - {name: no-lending, types: [L4], lend: false}
          - {name: lending, default: true}
        """,
        gpu("l", L4),
        gpu("gpu-0", H100),
        gpu("c", H100, closed="XID 79"),
        job_slice("job", amount=gib(10)),
    )
    found = lendable_gpus(held, {GpuId(name): 10**6 for name in ("l", "gpu-0", "c", "unknown")})
    assert [(g.facts.gpu_id, g.lendable_mib, g.jobs_mib) for g in found] == [
        ("gpu-0", 79 * 1024, 10 * 1024)
    ]


def test_a_gpu_of_which_no_agent_spoke_yet_lends_nothing() -> None:
    assert lendable_gpus(holdings(), {})[0].lendable_mib == 0


gpus_there = st.lists(
    st.tuples(
        st.sampled_from([H100, L4]),
        st.integers(0, 100),
        st.integers(0, 100),
        st.sampled_from(["node-a", "node-b"]),
    ),
    max_size=6,
).map(
    lambda entries: [
        lends(f"g{n}", min(lendable, kind.usable_mib // 1024), kind, jobs, n, node=node)
        for n, (kind, lendable, jobs, node) in enumerate(entries)
    ]
)
jobs_there = st.lists(
    st.tuples(
        st.none() | st.integers(1, 90),
        st.sampled_from([None, "*H100*", "*L4", "x"]),
        st.sampled_from([None, None, "node-a", "node-b"]),
    ),
    max_size=15,
).map(lambda entries: [job(f"j{n:02}", *entry) for n, entry in enumerate(entries)])


@given(jobs_there, gpus_there)
def test_no_gpu_lends_more_than_it_has_and_every_job_is_answered_once(
    jobs: list[WaitingJob], gpus: list[LendableGpu]
) -> None:
    plan = plan_queue(jobs, gpus, lending=True)
    lendable = {g.facts.gpu_id: g.lendable_mib for g in gpus}
    nodes = {g.facts.gpu_id: g.facts.node for g in gpus}
    for placement in plan.placements:
        assert placement.job.node in {None, nodes[placement.gpu_id]}
        lendable[placement.gpu_id] -= placement.amount.memory_mib
    assert all(left >= 0 for left in lendable.values())
    answered = [p.job.job_id for p in plan.placements] + [w.job_id for w in plan.waits]
    assert sorted(answered) == [j.job_id for j in jobs]
    assert plan == plan_queue(jobs, gpus[::-1], lending=True)


@given(jobs_there, gpus_there)
def test_the_first_job_never_waits_where_a_gpu_lends_what_it_needs(
    jobs: list[WaitingJob], gpus: list[LendableGpu]
) -> None:
    if not jobs:
        return
    plan = plan_queue(jobs, gpus, lending=True)
    first = jobs[0]
    possible = [
        g
        for g in gpus
        if g.facts.kind.is_type(first.gpu_type)
        and first.node in {None, g.facts.node}
        and g.lendable_mib >= (first.memory_mib or g.facts.kind.usable_mib)
    ]
    placed = {p.job.job_id for p in plan.placements}
    assert (first.job_id in placed) is bool(possible)


def test_small_jobs_that_keep_coming_do_not_starve_a_large_one() -> None:
    """One GPU; each round a small job ends and another comes: the large one gets its turn."""
    running = {"s0": 30, "s1": 30}
    for round_number in range(2, 20):
        ended = min(running, default=None)
        if ended is not None:
            del running[ended]
        jobs_gib = sum(running.values())
        waiting = [job("large", 60), job(f"s{round_number}", 30)]
        plan: QueuePlan = plan_queue(
            waiting, [lends("a", 79 - jobs_gib, jobs_gib=jobs_gib)], lending=True
        )
        if any(p.job.job_id == "large" for p in plan.placements):
            return
        running |= {p.job.job_id: 30 for p in plan.placements}
    pytest.fail("the large job never began")


def test_a_reason_names_no_other_user() -> None:
    jobs = [replace(job("i", 60), owner=UserName("bob")), job("j", 60)]
    plan = plan_queue(jobs, [lends("a", 79)], lending=True)
    assert "bob" not in queue_clause(plan.waits[0].why)
