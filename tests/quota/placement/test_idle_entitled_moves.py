"""Room in pieces: where borrowed slices are not enough, idle entitled ones move, too."""

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st
from sublet_quota.holdings.gpu_load import Holding
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.names.ids import GpuId, SliceId
from sublet_quota.placement.other_card import home_of
from sublet_quota.placement.slice_placement import Placement
from sublet_quota.preview.present_state import present_state
from sublet_quota.reasons.refusal import Refusal
from sublet_quota.residency.snapshot import Rank

from tests.support.admission_cases import PARTS, SmallHub
from tests.support.quota_cases import gpu, notebook, part

ONCE = "pools: [{name: interactive, memory_overcommit: 1, compute_overcommit: 1}]\n"
TYPE = "gpu_types: {H100: {match: '*H100*'}}\n" + PARTS + ONCE
LAB = TYPE + "groups: {lab: {guaranteed: {H100: 2}}, zoo: {}}\n"
CARDS = (gpu("a"), gpu("b", index=1))


def half(name: str, on: str, group: str = "lab") -> Holding:
    return notebook(name, name, part(0.5), on, group=group)


def hub(*slices: Holding, idle: str = "", text: str = LAB) -> SmallHub:
    return idle_ones(SmallHub.under(text, *CARDS, *slices), idle)


def idle_ones(made: SmallHub, idle: str) -> SmallHub:
    for name in idle.split():
        made.holdings.mark_idle(SliceId(name), idle=True)
    return made


def test_an_idle_entitled_slice_moves_where_it_is_entitled_just_the_same() -> None:
    made = hub(half("l1", "a"), half("l2", "b"), idle="l1")
    answer = made.ask("zoe", "zoo", size="whole")
    assert isinstance(answer, Placement)
    assert (answer.gpu_id, answer.moves) == ("a", ((SliceId("l1"), GpuId("b")),))
    # It has its place there from now on: nobody calls it back.
    assert answer.calls_back == ()
    assert made.rank("l1") is made.rank("l2") is Rank.ENTITLED
    assert home_of(made.holdings, SliceId("l1")) is None


def test_for_one_of_its_own_group_that_would_take_turns_with_it_an_idle_slice_moves_too() -> None:
    made = hub(half("l1", "a"), half("l2", "b"), idle="l1")
    answer = made.ask("lea", "lab", name="new", size="whole")
    assert isinstance(answer, Placement)
    assert (answer.gpu_id, answer.moves) == ("a", ((SliceId("l1"), GpuId("b")),))
    assert (answer.calls_back, answer.rank) == ((), Rank.ENTITLED)
    assert home_of(made.holdings, SliceId("l1")) is None


def test_the_fewest_bytes_move_for_it() -> None:
    slices = (
        half("l1", "a"),
        notebook("l2", "l2", part(0.25), "a", group="lab"),
        notebook("l3", "l3", part(0.25), "b", group="lab"),
    )
    answer = hub(*slices, idle="l1 l2 l3").ask("lea", "lab", size="whole")
    assert isinstance(answer, Placement)
    assert (answer.gpu_id, answer.moves) == ("b", ((SliceId("l3"), GpuId("a")),))
    answer = hub(*slices, idle="l1 l2").ask("lea", "lab", size="whole")
    assert isinstance(answer, Placement)
    assert (answer.gpu_id, dict(answer.moves)) == ("a", {"l1": "b", "l2": "b"})


def test_where_they_are_at_work_it_takes_turns_with_them() -> None:
    answer = hub(half("l1", "a"), half("l2", "b")).ask("lea", "lab", size="whole")
    assert isinstance(answer, Placement)
    assert answer.moves == ()


def test_nobody_moves_to_where_turns_would_be_taken_instead() -> None:
    text = LAB.replace("memory_overcommit: 1, compute_overcommit: 1", "memory_overcommit: 2")
    slices = (
        notebook("l1", "l1", part(0.6), "a", group="lab"),
        notebook("l2", "l2", part(0.1), "a", group="lab"),
        notebook("l3", "l3", part(0.6), "b", group="lab"),
    )
    answer = hub(*slices, idle="l1 l2 l3", text=text).ask("lea", "lab", size="half")
    assert isinstance(answer, Placement)
    assert answer.moves == ()


def test_who_borrows_beside_those_that_move_makes_way() -> None:
    made = hub(half("l1", "a"), half("z", "a", "zoo"), half("l2", "b"), idle="l1")
    answer = made.ask("lea", "lab", size="whole")
    assert isinstance(answer, Placement)
    assert (answer.gpu_id, answer.moves) == ("a", ((SliceId("l1"), GpuId("b")),))
    assert answer.calls_back == (SliceId("z"),)


def test_one_at_work_does_not_move() -> None:
    assert isinstance(
        hub(half("l1", "a"), half("l2", "b")).ask("zoe", "zoo", size="whole"), Refusal
    )


def test_nor_does_it_where_others_elsewhere_are_idle() -> None:
    text = TYPE + "groups: {lab: {guaranteed: {H100: 3}}, zoo: {}}\n"
    slices = half("l1", "a"), half("l2", "b"), half("l3", "far")
    made = SmallHub.under(text, *CARDS, gpu("far", node="m"), *slices)
    assert isinstance(idle_ones(made, "l3").ask("zoe", "zoo", size="whole"), Refusal)
    assert isinstance(idle_ones(made, "l1").ask("zoe", "zoo", size="whole"), Placement)


def test_nor_one_that_is_entitled_on_its_card_alone() -> None:
    text = TYPE + "groups: {lab: {guaranteed: {H100: 1}}, zoo: {}}\n"
    made = hub(half("l1", "a"), half("z", "b", "zoo"), text=text, idle="l1 z")
    answer = made.ask("zoe", "zoo", size="whole")
    assert isinstance(answer, Placement)
    assert answer.moves == ((SliceId("z"), GpuId("a")),), "who borrows moves first"
    made = hub(half("l1", "a"), half("z", "b", "zoo"), text=text, idle="l1")
    made.holdings.mark_unsuspendable(SliceId("z"), unsuspendable=True)
    assert isinstance(made.ask("zoe", "zoo", size="whole"), Refusal)


def test_nobody_moves_where_the_request_does_not_fit_then() -> None:
    made = hub(half("l1", "a"), half("l2", "b"), half("z", "a", "zoo"), idle="l1 l2")
    assert isinstance(made.ask("zoe", "zoo", size="whole"), Refusal)
    assert made.holdings.slice(SliceId("l1")) == half("l1", "a")


def test_a_preview_knows_who_is_idle() -> None:
    made = hub(half("l1", "a"), half("l2", "b"), idle="l1")
    copied = SmallHub(present_state(made.holdings).holdings())
    assert isinstance(copied.ask("zoe", "zoo", size="whole"), Placement)


AMOUNTS = (0.1, 0.25, 0.5)
WHERE = st.tuples(st.sampled_from("abc"), st.sampled_from(AMOUNTS), st.booleans(), st.booleans())


def steps(holdings: Holdings) -> Mapping[SliceId, int]:
    return {
        one.slice_id: piece.entitled
        for one in holdings.slices()
        if (piece := holdings.piece(one.slice_id)) is not None
    }


@given(
    st.lists(WHERE, max_size=7),
    st.sampled_from(("whole", "half")),
    st.sampled_from(("lab", "zoo")),
)
def test_whoever_moves_nobody_is_entitled_to_less_and_all_fits(
    entries: list[tuple[str, float, bool, bool]], size: str, group: str
) -> None:
    made = SmallHub.under(LAB, *CARDS, gpu("c", index=2))
    idle: set[SliceId] = set()
    for n, (card, amount, is_lab, is_idle) in enumerate(entries):
        one = notebook(f"s{n}", f"s{n}", part(amount), card, group="lab" if is_lab else "zoo")
        room = made.holdings.room(GpuId(card))
        if room is None or not one.amount.fits_in(room.free(shared=True)):
            continue
        made.holdings.put(one)
        made.holdings.mark_idle(one.slice_id, idle=is_idle)
        idle |= {one.slice_id} if is_idle else set()
    before = {one.slice_id: one for one in made.holdings.slices()}
    ranks = {name: made.rank(name) for name in before}
    entitled = steps(made.holdings)
    answer = made.ask("new", group, name="new", size=size)
    if not isinstance(answer, Placement):
        assert {one.slice_id: one for one in made.holdings.slices()} == before
        return
    for slice_id, gpu_id in answer.moves:
        assert gpu_id != before[slice_id].gpu_id
        if slice_id not in answer.calls_back:
            assert slice_id in idle
            assert made.rank(slice_id) is ranks[slice_id] is not Rank.BORROWED
    after = steps(made.holdings)
    assert all(after[name] >= entitled[name] for name in before)
    if answer.moves:
        for card in CARDS:
            on_card = made.holdings.slices_on(card.gpu_id)
            here = [one.amount for one in on_card if not one.called_back]
            assert sum(one.memory_mib for one in here) <= card.kind.usable_mib
            assert sum(one.compute_milli for one in here) <= 1000
        fewest_are_enough(made, answer, before)
    # What was decided is at rest: nobody has a reason to move again.
    for name in before:
        if made.rank(name) is Rank.ENTITLED and name in dict(answer.moves):
            assert home_of(made.holdings, name) is None


def fewest_are_enough(made: SmallHub, answer: Placement, before: Mapping[SliceId, Holding]) -> None:
    """None of those that move could have stayed."""
    moved = dict(answer.moves)
    stays = [one for one in before.values() if one.gpu_id == answer.gpu_id]
    taken = answer.amount
    for one in stays:
        if one.slice_id not in moved:
            taken += one.amount
    facts = made.holdings.gpu(answer.gpu_id)
    assert facts is not None
    for slice_id in moved:
        more = taken + before[slice_id].amount
        assert more.memory_mib > facts.kind.usable_mib or more.compute_milli > 1000
