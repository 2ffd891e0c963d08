"""Free room is found by indices as a reference finds it that looks at every card."""

from dataclasses import dataclass, replace

from hypothesis import given, settings
from hypothesis import strategies as st
from sublet_quota.admission.slice_request import RequestedSlice, amount_of
from sublet_quota.amounts.gpu_amounts import GpuAmount
from sublet_quota.amounts.gpu_kind import GpuKind
from sublet_quota.holdings.gpu_load import GpuFacts, room_on
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.names.home_claim import HomeInUse
from sublet_quota.names.ids import GpuId, PoolName, SizeName
from sublet_quota.placement.slice_placement import Placement, decide_slice
from sublet_quota.reasons.refusal import Refusal

from tests.support.admission_cases import hand_out
from tests.support.quota_cases import H100, L4, NOON, document, gpu, holdings

QUOTA = """
pools:
  - {name: fast, default: true, nodes: [node-a], memory_overcommit: 1.5, compute_overcommit: 2}
  - {name: slow, memory_overcommit: 1}
sizes:
  - {name: eighth, memory: 1/8, compute: 1/8}
  - {name: half, memory: 1/2, compute: 1/2, for: [lab]}
  - {name: light, memory: 5 GiB, compute: 0.2, pool: slow}
everyone: {limit: {slices: unlimited}}
groups: {lab: {}}
"""
TIGHTER = document(QUOTA.replace("memory_overcommit: 1.5", "memory_overcommit: 1"))

wishes = st.builds(
    RequestedSlice,
    owner=st.sampled_from(["ada", "bob", "eve", "zoe"]),
    groups=st.sampled_from([(), ("lab",), ("strangers",)]),
    size=st.sampled_from([None, "eighth", "half", "light"]),
    gpu_type=st.sampled_from([None, None, "*L4"]),
) | st.builds(
    RequestedSlice,
    owner=st.sampled_from(["ada", "bob"]),
    pool=st.sampled_from([None, "slow"]),
    memory_mib=st.integers(1, 45_000),
    compute_milli=st.integers(1, 600),
)
changes = st.sampled_from(["nothing", "nothing", "remove", "unsuspendable", "close", "document"])


@dataclass(frozen=True)
class Naive:
    """A wish under a document without guarantees, and every card looked at."""

    held: Holdings
    wish: RequestedSlice

    def decide(self) -> GpuId | None:
        """The tightest card on which all fit together, else where they share, or none."""
        if self.wish.size is not None and self.wish.size not in self.sizes:
            return None
        for shared in (False, True):
            found = [self.tightness(facts, shared=shared) for facts in self.held.gpus()]
            fitting = [each for each in found if each is not None]
            if fitting:
                return min(fitting)[-1]
        return None

    @property
    def sizes(self) -> list[SizeName]:
        sizes = self.held.document.sizes
        return [SizeName(s) for s in sizes if s != "half" or "lab" in self.wish.groups]

    @property
    def by_size(self) -> bool:
        return self.wish.memory_mib is None

    @property
    def size(self) -> SizeName:
        return SizeName(self.wish.size or self.sizes[0])

    @property
    def pool(self) -> PoolName:
        quota = self.held.document
        by_amounts = PoolName(self.wish.pool or quota.default_pool)
        return quota.pool_of_size(self.size) if self.by_size else by_amounts

    def amount_on(self, kind: GpuKind) -> GpuAmount:
        if self.by_size:
            return amount_of(self.held.document.sizes[self.size], kind)
        return GpuAmount(self.wish.memory_mib or 0, self.wish.compute_milli or 0)

    def may_be(self, facts: GpuFacts) -> bool:
        if self.held.pool_of(facts.gpu_id) != self.pool or facts.closed is not None:
            return False
        sizes, quota = self.sizes, self.held.document
        largest = [
            amount_of(quota.sizes[size], facts.kind)
            for size in sizes
            if quota.pool_of_size(size) == self.pool
        ]
        amount = self.amount_on(facts.kind)
        small_enough = self.by_size or any(amount.fits_in(each) for each in largest)
        return small_enough and facts.kind.is_type(self.wish.gpu_type)

    def tightness(
        self, facts: GpuFacts, *, shared: bool
    ) -> tuple[int, int, int, str, int, GpuId] | None:
        if not self.may_be(facts):
            return None
        pool = self.held.document.pools[self.pool]
        room = room_on(facts, self.held.load(facts.gpu_id), pool)
        amount = self.amount_on(facts.kind)
        if not amount.fits_in(room.free(shared=shared)):
            return None
        memory_mib = room.shared_mib if shared else room.alone_mib
        milli = room.shared_milli if shared else room.alone_milli
        left_mib = memory_mib - amount.memory_mib
        return left_mib, memory_mib, milli, facts.node, facts.index, facts.gpu_id


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(wishes, changes), max_size=25), st.integers(1, 3))
def test_a_reference_that_adds_everything_up_anew_finds_the_same(
    steps: list[tuple[RequestedSlice, str]], per_kind: int
) -> None:
    held = holdings(
        QUOTA,
        *(gpu(f"h{n}", H100, index=n) for n in range(per_kind)),
        *(gpu(f"l{n}", L4, "node-b", n) for n in range(per_kind)),
    )
    for number, (wish, change) in enumerate(steps):
        expected = Naive(held, wish).decide()
        answer = decide_slice(held, wish)
        if isinstance(answer, Placement) and not answer.calls_back:
            assert answer.gpu_id == expected
            chosen = held.gpu(answer.gpu_id)
            assert chosen is not None
            # Who must go to the node of the best GPU gets that one.
            bound = replace(wish, home=HomeInUse(chosen.node, "your job"))
            assert decide_slice(held, bound) == answer
        else:
            assert expected is None
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
            held = held.under(TIGHTER, NOON)
