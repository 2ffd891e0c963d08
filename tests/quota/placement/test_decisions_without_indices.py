"""Decisions with all their sums and indices are those of a reference that keeps none."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from sublet_quota.admission.slice_request import RequestedSlice
from sublet_quota.names.home_claim import HomeInUse
from sublet_quota.placement.slice_placement import Placement, decide_slice
from sublet_quota.reasons.refusal import Refusal

from tests.benchmarks.decision_parts.naive_placement import decide_naively
from tests.support.quota_cases import H100, L4, document, gpu, hand_out, holdings

QUOTA = """
pools:
  - {name: fast, gpus: {types: ['*H100*']}, memory_overcommit: 1.5, compute_overcommit: 2}
  - {name: slow, memory_overcommit: 1}
sizes:
  eighth: {memory: 1/8, compute: 1/8}
  half: {memory: 1/2, compute: 1/2, groups: [lab]}
  light: {memory: 5 GiB, compute: 0.2, pool: slow}
everyone: {most_slices: 5, limit: {memory: 120 GiB}}
groups:
  lab: {limit: {memory: 150 GiB, compute: 3}, guaranteed: {memory: 40 GiB, compute: 0.5}}
  club: {most_slices: 4, each_member: {limit: {memory: 60 GiB}}, guaranteed: {memory: 10 GiB}}
users:
  zoe: {guaranteed: {memory: 20 GiB, compute: 1, pool: slow}}
"""
TIGHTER = document(QUOTA.replace("memory_overcommit: 1.5", "memory_overcommit: 1"))

owners = st.sampled_from(["ada", "bob", "eve", "zoe"])
groups = st.sampled_from([(), ("lab",), ("club",), ("club", "lab"), ("strangers",)])
wishes = st.builds(
    RequestedSlice,
    owner=owners,
    groups=groups,
    size=st.sampled_from([None, "eighth", "half", "light"]),
    gpu_type=st.sampled_from([None, None, "*L4"]),
) | st.builds(
    RequestedSlice,
    owner=owners,
    groups=groups,
    pool=st.sampled_from([None, "slow"]),
    memory_mib=st.integers(1, 45_000),
    compute_milli=st.integers(1, 600),
)
changes = st.sampled_from(["nothing", "nothing", "remove", "unsuspendable", "close", "document"])


@settings(max_examples=150)
@given(st.lists(st.tuples(wishes, changes), max_size=30), st.integers(1, 3))
def test_a_reference_that_adds_everything_up_anew_decides_the_same(
    steps: list[tuple[RequestedSlice, str]], per_kind: int
) -> None:
    held = holdings(
        QUOTA,
        *(gpu(f"h{n}", H100, index=n) for n in range(per_kind)),
        *(gpu(f"l{n}", L4, "node-b", n) for n in range(per_kind)),
    )
    for number, (wish, change) in enumerate(steps):
        answer = decide_slice(held, wish)
        expected = decide_naively(held, wish)
        assert (answer.gpu_id if isinstance(answer, Placement) else None) == expected
        if isinstance(answer, Placement):
            chosen = held.gpu(answer.gpu_id)
            assert chosen is not None
            # Who must go to the node of the best GPU gets that one.
            bound = replace(wish, home=HomeInUse(chosen.node, "your job"))
            assert decide_slice(held, bound) == answer
        granted = hand_out(held, wish, f"s{number}")
        if change == "remove":
            held.remove(f"s{number // 2}")
        elif change == "unsuspendable":
            held.mark_unsuspendable(f"s{number // 2}", unsuspendable=True)
        elif change == "close" and not isinstance(granted, Refusal):
            facts = held.gpu(granted.gpu_id)
            assert facts is not None
            held.put_gpu(replace(facts, closed=None if number % 2 else "XID 79"))
        elif change == "document":
            held = held.under(TIGHTER)
