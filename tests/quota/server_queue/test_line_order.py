"""The order of notebooks in line: entitled first, then who used least, then age and lot."""

from dataclasses import replace

import pytest
from sublet_quota.amounts.gpu_kind import GpuKind
from sublet_quota.jobs.turns.past_uses import PastUse
from sublet_quota.names.ids import UserName
from sublet_quota.placement.slice_placement import Placement, decide_slice
from sublet_quota.server_queue.payers import Payers
from sublet_quota.shares.group_tree import NodeName

from tests.support.admission_cases import PARTS, SmallHub
from tests.support.queue_cases import HubWithLine, queued, with_line
from tests.support.quota_cases import H100, gpu

HEAD = "gpu_types: {H100: {match: '*H100*'}}\n" + PARTS
PLAIN = HEAD + "groups: {a: {}, b: {}}\n"
GUARANTEED = HEAD + "groups: {a: {guaranteed: {H100: 1}}, b: {}}\n"


def line(text: str, *servers: object, past: PastUse | None = None) -> HubWithLine:
    hub = with_line(SmallHub.under(text, gpu("g0"), gpu("g1", index=1)), servers)
    if past is not None:
        hub.past = past
    return hub


def test_who_waits_longer_is_first_where_nobody_used_anything() -> None:
    assert line(HEAD, queued("new", minute=2), queued("old", minute=1)).names() == "old new"


def test_of_equal_age_the_lot_decides_and_no_name() -> None:
    assert line(HEAD, queued("a", lot=9), queued("z", lot=3)).names() == "z a"


def test_who_is_entitled_comes_before_who_borrows() -> None:
    found = line(GUARANTEED, queued("b1", "b"), queued("a1", "a", minute=9))
    assert found.names() == "a1 b1"


def test_only_so_many_are_entitled_as_the_guarantee_has_room_for() -> None:
    servers = [queued(f"a{n}", "a", minute=n + 1, size="whole") for n in range(2)]
    assert line(GUARANTEED, queued("b1", "b"), *servers).names() == "a0 b1 a1"


def test_a_group_that_used_less_for_its_weight_is_next() -> None:
    past = PastUse({NodeName("a"): 1000.0, NodeName("b"): 10.0}, {})
    found = line(PLAIN, queued("a1", "a"), queued("b1", "b", minute=5), past=past)
    assert found.names() == "b1 a1"


def test_a_person_who_used_less_is_next_in_a_group() -> None:
    past = PastUse({}, {(NodeName("a"), UserName("eve")): 1000.0})
    servers = queued("eve", "a"), queued("una", "a", minute=5)
    assert line(PLAIN, *servers, past=past).names() == "una eve"


def test_many_requests_at_once_gain_nothing() -> None:
    burst = [queued(f"e{n}", "a", owner="eve", minute=n) for n in range(3)]
    found = line(PLAIN, *burst, queued("una", "a", minute=9), queued("zoe", "b", minute=9))
    assert found.names() == "e0 zoe una e1 e2"


def test_what_no_card_is_there_for_has_its_place_by_age() -> None:
    servers = queued("odd", gpu_type="V100", minute=1), queued("old"), queued("new", minute=2)
    assert line(HEAD, *servers).names() == "old odd new"


def test_a_wish_of_a_person_with_an_exception_is_read_by_their_own_rights() -> None:
    text = (
        HEAD + "groups: {a: {sizes: [quarter], guaranteed: {H100: 1}}, b: {}}\n"
        "exceptions: [{who: [ann], set: {sizes: [whole]}, why: w}]\n"
    )
    servers = queued("b1", "b"), queued("ann", "a", size="whole", minute=5)
    assert line(text, *servers).names() == "ann b1"


def test_of_payers_that_fit_alike_the_lot_decides_in_line_as_when_the_turn_comes() -> None:
    hub = SmallHub.under(PLAIN, gpu())
    payers, found = Payers(hub.holdings), set()
    for lot in range(4):
        server = queued("una", "a", "b", lot=lot)
        wish = replace(server.wish, lot=lot)
        pays = payers.of(replace(server, wish=wish)).group
        placed = decide_slice(hub.holdings, wish)
        assert isinstance(placed, Placement)
        assert pays == placed.group
        found.add(pays)
    assert found == {"a", "b"}


@pytest.mark.parametrize("names", ["AZ", "ZA"])
def test_no_name_of_a_type_decides_who_is_entitled(names: str) -> None:
    cheap, dear = names
    text = (
        f"gpu_types: {{{cheap}: {{match: {cheap}1, rate: 1}}, "
        f"{dear}: {{match: {dear}1, rate: 2}}}}\n"
        + PARTS
        + f"groups: {{a: {{guaranteed: {{{cheap}: 1, {dear}: 1}}}}, b: {{}}}}\n"
    )
    cards = [gpu(name, GpuKind(f"{name}1", H100.memory_mib, 1024)) for name in names]
    servers = [
        queued("any", "a", size="whole"),
        queued("dear", "a", size="whole", gpu_type=dear, minute=2),
        queued("b1", "b", size="whole", minute=1),
    ]
    found = with_line(SmallHub.under(text, *cards), servers)
    assert found.names() == "any dear b1"
    assert found.take_turns()["any"].gpu_type == cheap
