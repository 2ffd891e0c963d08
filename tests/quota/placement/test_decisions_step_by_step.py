"""Decisions on holdings that are kept step by step are those on holdings added up anew."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from sublet_quota.admission.slice_request import RequestedSlice
from sublet_quota.names.home_claim import HomeInUse
from sublet_quota.names.ids import SliceId
from sublet_quota.placement.slice_placement import Placement, decide_slice
from sublet_quota.reasons.refusal import Refusal

from tests.support.admission_cases import SmallHub
from tests.support.quota_cases import H100, L4, NOON, document, gpu

QUOTA = """
gpu_types: {H100: {match: '*H100*'}, L4: {match: '*L4*'}}
pools:
  - {name: fast, types: [H100], memory_overcommit: 1.5, compute_overcommit: 2, default: true}
  - {name: slow, types: [L4], memory_overcommit: 1, lends: {fast: 50%}}
sizes:
  - {name: eighth, memory: 1/8, compute: 1/8}
  - {name: half, memory: 1/2, compute: 1/2, for: [lab]}
  - {name: light, memory: 5 GiB, compute: 0.2, pool: slow}
everyone: {limit: {slices: 5, memory: 120 GiB}, own_amounts: true}
groups:
  lab:
    guaranteed: {H100: 1}
    limit: {memory: 150 GiB}
    groups: {nlp: {guaranteed: {H100: 1/2}}}
  club: {guaranteed: {H100: 1/4, L4: 1/2}, limit: {slices: 4}, each: {limit: {memory: 60 GiB}}}
"""
TIGHTER = document(QUOTA.replace("memory_overcommit: 1.5", "memory_overcommit: 1"))

owners = st.sampled_from(["ada", "bob", "eve", "zoe"])
groups = st.sampled_from([(), ("lab",), ("club",), ("club", "nlp"), ("strangers",)])
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


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(wishes, changes), max_size=20), st.integers(1, 3))
def test_what_is_decided_is_what_would_be_decided_if_all_were_added_up_anew(
    steps: list[tuple[RequestedSlice, str]], per_kind: int
) -> None:
    hub = SmallHub.under(
        QUOTA,
        *(gpu(f"h{n}", H100, index=n) for n in range(per_kind)),
        *(gpu(f"l{n}", L4, "node-b", n) for n in range(per_kind)),
    )
    for number, (wish, change) in enumerate(steps):
        held = hub.holdings
        answer = decide_slice(held, wish)
        anew = decide_slice(held.under(held.document, NOON), wish)
        assert told(answer) == told(anew)
        if isinstance(answer, Placement):
            chosen = held.gpu(answer.gpu_id)
            assert chosen is not None
            # Who must go to the node of the best GPU gets that one.
            bound = replace(wish, home=HomeInUse(chosen.node, "your job"))
            assert told(decide_slice(held, bound)) == told(answer)
            hub.hand_out(wish, f"s{number}")
        if change == "remove":
            held.remove(SliceId(f"s{number // 2}"))
        elif change == "unsuspendable":
            held.mark_unsuspendable(SliceId(f"s{number // 2}"), unsuspendable=True)
        elif change == "close" and isinstance(answer, Placement):
            facts = held.gpu(answer.gpu_id)
            assert facts is not None
            held.put_gpu(replace(facts, closed=None if number % 2 else "XID 79"))
        elif change == "document":
            hub.holdings = held.under(TIGHTER if number % 2 else document(QUOTA), NOON)


def told(answer: Placement | Refusal) -> tuple[object, ...]:
    if isinstance(answer, Refusal):
        return (answer.reason,)
    return answer.gpu_id, answer.group, answer.rank, answer.calls_back
