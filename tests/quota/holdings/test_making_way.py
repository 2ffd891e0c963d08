"""Who makes way on a card, also where nobody has to be asked: as the plain reckoning has it."""

from hypothesis import given, settings
from hypothesis import strategies as st
from sublet_quota.amounts.gpu_amounts import NOTHING, GpuAmount
from sublet_quota.holdings.gpu_load import cards_on
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.holdings.making_way import MakingWay, OnCard, making_way
from sublet_quota.names.ids import GpuId
from sublet_quota.shares.group_tree import NodeName
from sublet_quota.shares.reclaim import Request

from tests.support.rounds_by_lot import round_by_lot


def plain(
    held: Holdings, gpu_id: GpuId, leaf: NodeName, amount: GpuAmount, beside: GpuAmount
) -> MakingWay:
    """Look at all slices of a card, whatever fits."""
    facts, room = held.gpu(gpu_id), held.room(gpu_id)
    if facts is None or room is None:
        return MakingWay((), ())
    pieces = ((one, held.piece(one.slice_id)) for one in held.slices_on(gpu_id))
    here = [OnCard(one, piece) for one, piece in pieces if piece is not None]
    cards = cards_on(amount, facts.kind)
    position = held.position(held.type_of(gpu_id) or "", {leaf: cards})
    return making_way(room.with_less(beside), amount, here, position, Request(leaf, cards))


@given(st.integers(0, 100_000), st.sampled_from([4, 2, 1]), st.sampled_from([None, 4, 2]))
@settings(max_examples=60, deadline=None)
def test_whoever_fits_beside_all_has_nobody_make_way(seed: int, of: int, given: int | None) -> None:
    held = round_by_lot(seed).held
    for facts in tuple(held.gpus()):
        usable = facts.kind.usable_mib
        amount = GpuAmount(usable // of, 1000 // of)
        beside = NOTHING if given is None else GpuAmount(usable // given, 1000 // given)
        for group in held.document.all_groups:
            asked = facts.gpu_id, held.leaf(group), amount, beside
            assert held.making_way(*asked) == plain(held, *asked)
