"""Holdings: sums that stay right whatever changes, as a reference that adds up anew says."""

from collections import Counter
from dataclasses import replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from sublet_quota.amounts.gpu_amounts import NOTHING, GpuAmount
from sublet_quota.holdings.gpu_load import GpuFacts, Holding, room_on
from sublet_quota.holdings.group_totals import NO_USE
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.names.ids import GpuId, GroupName, PoolName, SliceId, UserName
from sublet_quota.residency.snapshot import Holder

from tests.support.quota_cases import H100, L4, document, gib, gpu, holdings, job_slice, notebook

TWO_POOLS = """
    pools:
      - {name: fast, gpus: {types: ['*h100*']}, memory_overcommit: 2}
      - {name: rest, memory_overcommit: 1}
    users: {ada: {guaranteed: {memory: 40 GiB, compute: 1, pool: rest}}}
    groups: {lab: {guaranteed: {memory: 60 GiB}}}
"""


def test_a_slice_counts_on_its_gpu_its_owner_and_its_groups() -> None:
    held = holdings("groups: {lab: {}}", notebook("a", groups=("lab",)), notebook("b"))
    assert held.load(GpuId("gpu-0")).notebooks == gib(40, 500)
    assert held.totals.of_user(UserName("ada"), None).slices == 2
    assert held.totals.of_group(GroupName("lab"), None).amount == gib(20, 250)
    assert [h.slice_id for h in held.slices_on(GpuId("gpu-0"))] == ["a", "b"]


def test_a_job_is_on_nobodys_account_and_takes_no_room_from_notebooks() -> None:
    held = holdings("", job_slice("job"))
    assert held.totals.of_user(UserName("ada"), None) == NO_USE
    load = held.load(GpuId("gpu-0"))
    assert (load.notebooks, load.jobs) == (NOTHING, gib(79, 1000))
    assert held.room(GpuId("gpu-0")) == holdings().room(GpuId("gpu-0"))


def test_a_slice_that_is_resized_counts_with_its_new_amount() -> None:
    held = holdings("", notebook("a"))
    held.put(notebook("a", amount=gib(30, 100)))
    assert held.load(GpuId("gpu-0")).notebooks == gib(30, 100)
    assert held.totals.of_user(UserName("ada"), None).amount == gib(30, 100)


def test_removing_a_slice_twice_changes_nothing_more() -> None:
    held = holdings("", notebook("a"), notebook("b"))
    assert held.remove(SliceId("a")) == notebook("a")
    assert held.remove(SliceId("a")) is None
    assert held.load(GpuId("gpu-0")).slices == 1


def test_a_gpu_belongs_to_the_first_pool_that_selects_it() -> None:
    held = holdings(TWO_POOLS, gpu("h", H100), gpu("l", L4))
    assert (held.pool_of(GpuId("h")), held.pool_of(GpuId("l"))) == ("fast", "rest")


def test_a_selection_needs_one_pattern_of_each_list_that_is_given() -> None:
    held = holdings(
        "pools: {p: {gpus: {types: ['*L4', '*H100*'], nodes: [node-b], ids: ['gpu-*']}}}",
        gpu("gpu-1", H100, "node-b"),
        gpu("gpu-2", H100, "node-a"),
        gpu("other", L4, "node-b"),
    )
    assert [held.pool_of(GpuId(g)) for g in ("gpu-1", "gpu-2", "other")] == ["p", None, None]


def test_a_gpu_in_no_pool_has_no_room() -> None:
    held = holdings("pools: {p: {gpus: {types: ['*A100*']}}}", gpu("h", H100))
    assert held.room(GpuId("h")) is None


def test_slices_on_a_gpu_that_is_gone_stay_on_their_owners_account() -> None:
    held = holdings("", notebook("a"))
    held.remove_gpu(GpuId("gpu-0"))
    assert held.totals.of_user(UserName("ada"), None).slices == 1
    assert held.room_in(PoolName("interactive")) == NOTHING
    held.put_gpu(gpu())
    assert held.load(GpuId("gpu-0")).slices == 1


def test_slices_told_before_their_gpu_count_once_it_is_known() -> None:
    late = Holdings(document())
    late.put(notebook("a"))
    late.put_gpu(gpu())
    assert late.room(GpuId("gpu-0")) == holdings("", notebook("a")).room(GpuId("gpu-0"))


def test_another_document_is_taken_over_with_everything_that_is_held() -> None:
    held = holdings("", notebook("a")).under(document("pools: {interactive: {lend: false}}"))
    assert held.load(GpuId("gpu-0")).slices == 1
    assert not held.document.pools["interactive"].lend


def test_what_a_guarantee_does_not_use_is_known() -> None:
    held = holdings("users: {ada: {guaranteed: {memory: 30 GiB}}}", notebook("a"))
    assert held.totals.unused(PoolName("interactive")) == gib(10, 0)
    held.put(notebook("b"))
    assert held.totals.unused(PoolName("interactive")) == NOTHING


owners = st.sampled_from(["ada", "bob", "eve"])
gpu_ids = st.sampled_from(["g0", "g1", "g2", "g3"])
kinds = st.sampled_from([H100, L4])


class HoldingsMachine(RuleBasedStateMachine):
    """Any order of changes; after each, everything equals what adding up anew gives."""

    def __init__(self) -> None:
        super().__init__()
        self.held = Holdings(document(TWO_POOLS))
        self.slices: dict[SliceId, Holding] = {}
        self.gpus: dict[GpuId, GpuFacts] = {}

    @rule(
        name=st.integers(0, 9).map(lambda n: SliceId(f"s{n}")),
        owner=owners,
        mib=st.integers(1, 80_000),
        milli=st.integers(1, 1000),
        on=gpu_ids,
        groups=st.sampled_from([(), ("lab",), ("lab", "other")]),
        pool=st.sampled_from(["fast", "rest"]),
        job=st.booleans(),
        unsuspendable=st.booleans(),
    )
    def put_slice(  # noqa: PLR0913 - what a slice is
        self, *, name, owner, mib, milli, on, groups, pool, job, unsuspendable
    ) -> None:
        holding = notebook(
            name,
            owner,
            GpuAmount(mib, milli),
            on,
            groups=groups,
            pool=pool,
            unsuspendable=unsuspendable,
        )
        if job:
            holding = replace(holding, holder=Holder.JOB)
        self.slices[name] = holding
        self.held.put(holding)

    @precondition(lambda self: self.slices)
    @rule(data=st.data())
    def remove_slice(self, data) -> None:
        name = data.draw(st.sampled_from(sorted(self.slices)))
        assert self.held.remove(name) == self.slices.pop(name)

    @precondition(lambda self: self.slices)
    @rule(data=st.data(), unsuspendable=st.booleans())
    def mark(self, data, unsuspendable) -> None:
        name = data.draw(st.sampled_from(sorted(self.slices)))
        self.held.mark_unsuspendable(name, unsuspendable=unsuspendable)
        self.slices[name] = replace(self.slices[name], unsuspendable=unsuspendable)

    @rule(name=gpu_ids, kind=kinds, closed=st.sampled_from([None, "XID 79"]), alone=st.booleans())
    def put_gpu(self, name, kind, closed, alone) -> None:
        facts = gpu(name, kind, index=int(name[1]), closed=closed, pause_only=alone)
        self.gpus[facts.gpu_id] = facts
        self.held.put_gpu(facts)

    @precondition(lambda self: self.gpus)
    @rule(data=st.data())
    def remove_gpu(self, data) -> None:
        name = data.draw(st.sampled_from(sorted(self.gpus)))
        del self.gpus[name]
        self.held.remove_gpu(name)

    @rule(factor=st.sampled_from(["1", "1.5", "3"]))
    def change_document(self, factor) -> None:
        changed = TWO_POOLS.replace("memory_overcommit: 2", f"memory_overcommit: {factor}")
        self.held = self.held.under(document(changed))

    @invariant()
    def sums_are_those_of_adding_up_anew(self) -> None:
        held, slices = self.held, self.slices.values()
        notebooks = [s for s in slices if s.holder is Holder.NOTEBOOK]
        for pool in (None, "fast", "rest"):
            mine = [s for s in notebooks if pool in (None, s.pool)]
            for owner in ("ada", "bob", "eve"):
                use = held.totals.of_user(UserName(owner), pool)
                assert use.amount == total(s for s in mine if s.owner == owner)
                assert use.slices == sum(s.owner == owner for s in mine)
            for group in ("lab", "other"):
                use = held.totals.of_group(GroupName(group), pool)
                assert use.amount == total(s for s in mine if group in s.groups)
        in_rest = total(s for s in notebooks if s.owner == "ada" and s.pool == "rest")
        assert held.totals.unused(PoolName("rest")) == GpuAmount(
            max(0, 40960 - in_rest.memory_mib), max(0, 1000 - in_rest.compute_milli)
        )
        in_fast = total(s for s in notebooks if "lab" in s.groups and s.pool == "fast")
        assert held.totals.unused(PoolName("fast")) == GpuAmount(
            max(0, 61440 - in_fast.memory_mib), 0
        )

    @invariant()
    def loads_and_rooms_are_those_of_adding_up_anew(self) -> None:
        held = self.held
        rooms: Counter[tuple[str, str]] = Counter()
        for name, facts in self.gpus.items():
            here = [s for s in self.slices.values() if s.gpu_id == name]
            load, pool = held.load(name), held.pool_of(name)
            notebooks = [s for s in here if s.holder is Holder.NOTEBOOK]
            assert load.notebooks == total(notebooks)
            assert load.slices == len(notebooks)
            fixed = sum(s.amount.memory_mib for s in notebooks if s.unsuspendable)
            assert load.unsuspendable_mib == fixed
            assert load.jobs == total(s for s in here if s.holder is Holder.JOB)
            assert pool == ("fast" if facts.kind == H100 else "rest")
            room = room_on(facts, load, held.document.pools[pool])
            index = held.kinds_in(pool)[facts.kind]
            assert index.closed.get(name) == facts.closed
            assert index.rooms.get(name) == (None if facts.closed else room)
            if facts.closed is None:
                rooms[pool, "mib"] += max(0, room.shared_mib)
                rooms[pool, "milli"] += max(0, room.shared_milli)
        for pool in ("fast", "rest"):
            expected = GpuAmount(rooms[pool, "mib"], rooms[pool, "milli"])
            assert held.room_in(PoolName(pool)) == expected

    @invariant()
    def the_order_of_changes_leaves_no_trace(self) -> None:
        anew = Holdings(self.held.document, self.gpus.values(), self.slices.values())
        for pool in ("fast", "rest"):
            assert self.held.kinds_in(PoolName(pool)) == anew.kinds_in(PoolName(pool))


def total(slices) -> GpuAmount:
    return sum((s.amount for s in slices), NOTHING)


TestHoldingsUnderAnyOrderOfChanges = HoldingsMachine.TestCase
TestHoldingsUnderAnyOrderOfChanges.settings = settings(
    max_examples=40, stateful_step_count=25, deadline=None
)
