"""The cards by their room: those of some nodes alone are what is left where others are left out."""

from hypothesis import given
from hypothesis import strategies as st
from sublet_quota.amounts.gpu_amounts import GpuAmount
from sublet_quota.holdings.gpu_load import GpuLoad, room_on
from sublet_quota.holdings.room_index import RoomIndex

from tests.support.quota_cases import H100, document, gpu

(POOL,) = document().pools.values()
loads = st.builds(
    GpuLoad,
    notebooks=st.builds(GpuAmount, st.sampled_from([0, 10_000, 20_000]), st.sampled_from([0, 250])),
    unsuspendable_mib=st.sampled_from([0, 0, 10_000]),
)
nodes = st.sampled_from("abcd")


@given(st.lists(st.tuples(nodes, loads, st.booleans()), max_size=12), st.sets(nodes))
def test_an_index_of_some_cards_tells_of_them_what_the_index_of_all_does(
    cards: list[tuple[str, GpuLoad, bool]], left_out: set[str]
) -> None:
    every, here = RoomIndex(), []
    for number, (node, load, is_closed) in enumerate(cards):
        facts = gpu(f"c{number}", H100, node, number, closed="XID 79" if is_closed else None)
        every.put(facts, room_on(facts, load, POOL))
        here += [facts.gpu_id] if node not in left_out else []
    some = every.on_cards(here)
    assert list(some.by_room()) == list(every.by_room(not_on=left_out))
    for shared in (False, True):
        for amount in (GpuAmount(1, 1), GpuAmount(65_000, 800), GpuAmount(80_000, 1000)):
            fitting = list(every.fitting(amount, shared=shared, not_on=left_out))
            assert list(some.fitting(amount, shared=shared)) == fitting
            rooms = some.sizes_of_room(amount, shared=shared)
            there = [one for room in rooms for one in some.with_room(room, amount, shared=shared)]
            assert there == fitting
    assert some.rooms == {one: every.rooms[one] for one in some.by_room()}
