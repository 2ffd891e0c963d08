"""Who makes way for reservations at an hour hangs on no order of arrival, and on no name."""

from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.names.ids import GpuId, SliceId
from sublet_quota.placement.reserved_room import reserved_room

from tests.support.quota_cases import NOON, document, gpu, notebook, part
from tests.support.renamed import NAMES, Names

AT_TWO = NOON + timedelta(hours=2)
NOW = AT_TWO - timedelta(minutes=2)
TEXT = """
gpu_types: {{H100: {{match: "*H100*"}}}}
pools: [{{name: interactive, memory_overcommit: {over}, compute_overcommit: {over}}}]
groups: {{{0}: {{guaranteed: {{H100: 1}}}}, {1}: {{}}, {2}: {{}}}}
reservations:
  - {{name: first, for: {0}, guaranteed: {{H100: {r0}}}, at: "Mon 14:00-16:00"}}
  - {{name: second, for: {1}, guaranteed: {{H100: {r1}}}, at: "Mon 14:00-15:00"}}
"""
SLICES = st.lists(
    st.tuples(
        st.integers(0, len(NAMES) - 1),
        st.one_of(st.none(), st.integers(0, 2)),
        st.integers(0, 4),
        st.sampled_from([0.25, 0.5, 1]),
        st.integers(0, 2),
    ),
    max_size=8,
)
Made = list[tuple[int, GpuId, tuple[SliceId, ...]]]


def makes_way(
    slices: list, order: list[int], names: Names, reserved: tuple[float, float], over: int
) -> Made:
    """For which group each card is kept, and who makes way there."""
    text = TEXT.format(*names.groups, r0=reserved[0], r1=reserved[1], over=over)
    cards = [gpu(f"c{n}", index=n) for n in range(5)]
    held = Holdings(document(text).at(NOW), cards, turns=names)
    for n in order:
        person, group, card, size, minute = slices[n]
        payer = None if group is None else names.groups[group]
        owner = names.people[person]
        held.put(notebook(f"s{n}", owner, part(size), f"c{card}", group=payer, since=minute))
    rooms = reserved_room(held, NOW)
    return sorted(
        (names.groups.index(each.group), each.gpu_id, tuple(sorted(each.slices))) for each in rooms
    )


@given(
    SLICES,
    st.tuples(st.sampled_from([0.5, 1, 2]), st.sampled_from([0.5, 1, 1.5])),
    st.integers(1, 2),
    st.data(),
)
@settings(max_examples=60, deadline=None)
def test_who_makes_way_at_the_hour_hangs_on_no_order_and_on_no_name(
    slices: list, reserved: tuple[float, float], over: int, data: st.DataObject
) -> None:
    arrivals = list(range(len(slices)))
    first = makes_way(slices, arrivals, Names(), reserved, over)
    renamed = Names(
        tuple(data.draw(st.permutations(NAMES))),
        tuple(data.draw(st.permutations(Names().groups))),
    )
    others = data.draw(st.permutations(arrivals))
    assert makes_way(slices, others, renamed, reserved, over) == first
