"""Whose turn it is: who finds a place first, and for whom a card is kept."""

import pytest
from sublet_quota.admission.slice_request import RequestedSlice
from sublet_quota.amounts.node_amounts import NodeAmount, NodeNeed, NodeRoom
from sublet_quota.holdings.node_rooms import NodeFacts
from sublet_quota.names.home_claim import HomeInUse
from sublet_quota.names.ids import NodeId
from sublet_quota.placement.slice_placement import Placement, decide_slice
from sublet_quota.reasons.refusal import Refusal
from sublet_quota.reasons.refusals.room import RoomRefusal
from sublet_quota.reasons.server_queue import Expected, ExpectedFrom
from sublet_quota.residency.snapshot import Rank
from sublet_quota.server_queue.queued_server import may_wait
from sublet_quota.server_queue.walk import BEHIND, MOST_LOOKED_AT, walk

from tests.support.admission_cases import PARTS, SmallHub
from tests.support.queue_cases import HubWithLine, queued, with_line
from tests.support.quota_cases import L4, gpu

TYPES = "gpu_types: {H100: {match: '*H100*'}, L4: {match: '*L4*'}}\n"
ONCE = "pools: [{name: interactive, memory_overcommit: 1, compute_overcommit: 1}]\n"
HEAD = TYPES + PARTS + ONCE
TWO = (gpu("g0"), gpu("g1", index=1))


def full(text: str = HEAD, *cards: object) -> SmallHub:
    """Each card has two halves of strangers in no group."""
    hub = SmallHub.under(text, *(cards or TWO))
    for number in range(2 * len(cards or TWO)):
        assert isinstance(hub.ask(f"s{number}", size="half"), Placement)
    return hub


def on_card(hub: SmallHub, gpu_id: str) -> list[str]:
    return [one.slice_id for one in hub.holdings.slices() if one.gpu_id == gpu_id]


def test_nobody_has_a_turn_while_nothing_is_free() -> None:
    assert with_line(full(), [queued("a")]).take_turns() == {}


def test_the_first_in_line_gets_what_comes_free() -> None:
    found = with_line(full(), [queued("new", minute=2), queued("old", minute=1)])
    found.hub.end("s0")
    assert list(found.take_turns()) == ["old"]


def test_a_smaller_one_behind_goes_first_where_it_takes_nothing_from_the_head() -> None:
    on_two_nodes = full(HEAD, gpu("g0"), gpu("g1", node="node-b"))
    found = with_line(on_two_nodes, [queued("large", size="whole"), queued("small", minute=1)])
    found.hub.end(on_card(found.hub, "g1")[0])
    assert found.take_turns() == {}, "the card on which least is missing is kept"
    found.hub.end(on_card(found.hub, "g0")[0])
    assert list(found.take_turns()) == ["small"]
    assert sorted(len(on_card(found.hub, each)) for each in ("g0", "g1")) == [1, 2]


def test_the_head_is_not_starved_by_a_stream_of_small_ones() -> None:
    found = with_line(full(), [queued("large", size="whole")])
    for minute in range(1, 50):
        found.line.append(queued(f"small{minute}", minute=minute))
        oldest = min(found.hub.holdings.slices(), key=lambda one: (one.since, one.slice_id))
        found.hub.end(oldest.slice_id)
        if "large" in found.take_turns():
            break
    assert minute <= 4, "two slices of one card end, and two of the other at most"


def test_where_host_memory_alone_is_missing_the_node_is_kept_for_the_head() -> None:
    text = TYPES + PARTS + "groups: {lab: {guaranteed: {H100: 1/4}}}\n"
    hub = SmallHub.under(text, gpu("g0"), gpu("g1", index=1), gpu("g2", index=2))
    hub.holdings.host_memory.put(NodeId("node-a"), 79 * 1024 * 3 // 2)
    for number in range(2):
        assert isinstance(hub.ask(f"s{number}", size="half"), Placement)
    found = with_line(hub, [queued("large", size="whole")])
    found.line.append(queued("small", size="quarter", minute=1))
    first, second = walk(hub.holdings, found.order())
    assert (first.answer.code, first.keeps) == (RoomRefusal.NO_HOST_MEMORY, "g0")
    assert second.answer == BEHIND, "a quarter would find host memory"
    assert found.take_turns() == {}
    entitled = hub.ask("lea", "lab", size="quarter")
    assert isinstance(entitled, Placement)
    assert entitled.rank is Rank.ENTITLED
    found.hub.end("s0")
    assert list(found.take_turns()) == []
    found.hub.end("s1")
    assert list(found.take_turns()) == ["large", "small"]


def test_where_the_cpu_of_a_node_alone_is_missing_it_is_kept_for_the_head() -> None:
    hub = SmallHub.under(TYPES + PARTS, gpu("g0"), gpu("g1", index=1), gpu("g2", index=2))
    hub.holdings.put_node(NodeFacts(NodeId("node-a"), NodeRoom(cpu_milli=10_000)))
    for number in range(2):
        asked = {"size": "half", "takes": NodeNeed(NodeAmount(cpu_milli=3000))}
        assert isinstance(hub.ask(f"s{number}", **asked), Placement)
    much, little = NodeNeed(NodeAmount(cpu_milli=10_000)), NodeNeed(NodeAmount(cpu_milli=1000))
    found = with_line(hub, [queued("large", size="whole", takes=much)])
    found.line.append(queued("small", size="quarter", minute=1, takes=little))
    first, second = walk(hub.holdings, found.order())
    assert (first.answer.code, first.keeps) == (RoomRefusal.NO_NODE_CPU, "g0")
    assert second.answer == BEHIND, "there would be CPU for it"
    found.hub.end("s0")
    assert list(found.take_turns()) == []
    found.hub.end("s1")
    assert list(found.take_turns()) == ["large"]


def test_of_each_type_one_card_is_kept() -> None:
    cards = (*TWO, gpu("l0", L4, node="n2"), gpu("l1", L4, node="n2", index=1))
    found = with_line(
        full(HEAD, *cards),
        [
            queued("large", size="whole", gpu_type="H100"),
            queued("second", size="whole", gpu_type="H100", minute=1),
            queued("on-l4", size="whole", gpu_type="L4", minute=2),
            queued("small", minute=3),
        ],
    )
    kept = {step.server.request_id: step.keeps for step in walk(found.hub.holdings, found.order())}
    assert kept["second"] is None
    assert {str(kept["large"])[0], str(kept["on-l4"])[0]} == {"g", "l"}


def test_whom_a_limit_alone_keeps_waiting_holds_up_nobody() -> None:
    text = HEAD + "groups: {a: {limit: {cards: 1/2}}, b: {}}\n"
    hub = SmallHub.under(text, *TWO)
    assert isinstance(hub.ask("ada", "a", size="half"), Placement)
    found = with_line(hub, [queued("a1", "a"), queued("b1", "b", size="whole", minute=1)])
    assert list(found.take_turns()) == ["b1"]
    found.hub.end("ada")
    assert list(found.take_turns()) == ["a1"]


FOUR = tuple(gpu(f"g{number}", index=number) for number in range(4))
LIMITED = {
    "of cards": "a: {limit: {cards: 1}}",
    "of a type": "a: {limit: {H100: 1}}",
    "of memory": "a: {limit: {memory: 79 GiB}}",
    "of a group above": "uni: {limit: {cards: 1}, groups: {a: {}}}",
}


def quarters_below(limit: str) -> HubWithLine:
    """Quarters that fill a limit; there are cards for all who wait."""
    hub = SmallHub.under(f"{HEAD}groups: {{{limit}, b: {{}}}}\n", *FOUR)
    for number in range(4):
        assert isinstance(hub.ask(f"s{number}", "a", size="quarter"), Placement)
    return HubWithLine(hub)


@pytest.mark.parametrize("name", LIMITED)
def test_below_a_limit_the_head_is_not_starved_by_a_stream_of_small_ones(name: str) -> None:
    found = quarters_below(LIMITED[name])
    found.line.append(queued("large", "a", size="whole"))
    for minute in range(4):
        small = {"size": "quarter", "minute": minute + 1}
        found.line += [queued(f"small{minute}", "a", **small), queued(f"b{minute}", "b", **small)]
        found.hub.end(f"s{minute}")
        expected = [f"b{minute}"] if minute < 3 else ["large", f"b{minute}"]
        assert list(found.take_turns()) == expected


def test_what_is_kept_below_a_limit_is_told_as_such_and_no_time() -> None:
    found = quarters_below("a: {limit: {cards: 1}}")
    found.line += [queued("large", "a", size="whole"), queued("small", "a", minute=1)]
    found.hub.end("s0")
    found.hub.end("s1")
    wait = found.waits()["small"]
    assert wait.why is not None
    assert "limit of group 'a' (groups.a.limit.cards, line" in wait.why.message
    assert wait.why.message.endswith("there is room, which is kept for who comes before in line.")
    assert wait.expected == Expected(None, ExpectedFrom.LIMIT)


def test_below_a_limit_nothing_is_kept_for_who_waits_for_a_limit_of_their_own() -> None:
    text = "groups: {a: {limit: {cards: 1}, each: {limit: {cards: 1}}}}\n"
    hub = SmallHub.under(HEAD + text, *FOUR)
    assert isinstance(hub.ask("ada", "a", size="quarter"), Placement)
    line = [
        queued("large", "a", owner="ada", size="whole"),
        queued("other", "a", size="quarter", minute=1),
    ]
    assert list(with_line(hub, line).take_turns()) == ["other"]


def test_below_a_limit_nothing_is_kept_for_who_may_never_have_so_much() -> None:
    hub = SmallHub.under(HEAD + "groups: {a: {limit: {cards: 1/2}}}\n", *FOUR)
    line = [queued("large", "a", size="whole"), queued("small", "a", size="quarter", minute=1)]
    assert list(with_line(hub, line).take_turns()) == ["small"]


def test_for_whom_a_card_is_kept_room_is_left_below_their_limits() -> None:
    text = "groups: {a: {limit: {cards: 1}}}\n"
    hub = SmallHub.under(HEAD + text, gpu("g0"), gpu("l0", L4, node="n2"))
    assert isinstance(hub.ask("eve", size="half", gpu_type="H100"), Placement)
    line = [
        queued("large", "a", size="whole", gpu_type="H100"),
        queued("small", "a", size="quarter", gpu_type="L4", minute=1),
    ]
    found = with_line(hub, line)
    assert list(found.take_turns()) == []
    found.hub.end("eve")
    assert list(found.take_turns()) == ["large"]


def test_another_group_pays_for_who_is_kept_from_ones_limit() -> None:
    found = quarters_below("a: {limit: {cards: 1}}")
    found.line += [
        queued("large", "a", size="whole"),
        queued("both", "a", "b", size="quarter", minute=1),
    ]
    found.hub.end("s0")
    assert found.take_turns()["both"].group == "b"


def test_who_is_entitled_begins_whatever_is_kept_below_a_limit() -> None:
    text = "limit: {cards: 1}, groups: {x: {}, y: {guaranteed: {H100: 1/4}}}"
    hub = SmallHub.under(f"{HEAD}groups: {{a: {{guaranteed: {{H100: 1/4}}, {text}}}}}\n", *FOUR)
    assert isinstance(hub.ask("eve", "x", size="half"), Placement)
    line = [
        queued("large", "x", size="whole"),
        queued("small", "x", size="quarter", minute=1),
        queued("due", "y", size="quarter", minute=2),
    ]
    given = with_line(hub, line).take_turns()
    assert list(given) == ["due"]


def test_who_is_entitled_has_their_place_on_a_card_that_is_kept_for_others() -> None:
    text = HEAD + "groups: {a: {guaranteed: {H100: 1}}}\n"
    hub = SmallHub.under(text, gpu("g0"))
    assert isinstance(hub.ask("eve", size="half"), Placement)
    at_home = HomeInUse(NodeId("elsewhere"), "a server")
    line = [
        queued("a0", "a", size="whole", home=at_home),
        queued("borrows", size="whole", minute=1),
        queued("a1", "a", minute=2),
    ]
    found = with_line(hub, line)
    steps = {step.server.request_id: step for step in walk(hub.holdings, found.order())}
    assert list(steps) == ["a0", "borrows", "a1"]
    assert steps["borrows"].keeps == "g0"
    given = found.take_turns()
    assert list(given) == ["a1"]
    assert given["a1"].rank is Rank.ENTITLED


def test_a_place_is_one_that_the_hub_itself_would_give() -> None:
    found = with_line(full(), [queued("a", size="quarter")])
    found.hub.end("s2")
    direct = decide_slice(found.hub.holdings, RequestedSlice("a", size="quarter"))
    assert found.take_turns()["a"] == direct


def test_of_very_many_with_different_wishes_so_many_are_looked_at() -> None:
    line = [
        queued(f"u{n}", size=None, memory_mib=70_000 + n, compute_milli=900, minute=n)
        for n in range(MOST_LOOKED_AT + 5)
    ]
    found = with_line(full(), line)
    assert len(list(walk(found.hub.holdings, found.order()))) == MOST_LOOKED_AT


def test_equal_wishes_count_once() -> None:
    found = with_line(full(), [queued(f"u{n}", minute=n) for n in range(MOST_LOOKED_AT + 5)])
    assert len(list(walk(found.hub.holdings, found.order()))) == MOST_LOOKED_AT + 5


@pytest.mark.parametrize(
    ("wish", "waits"),
    [
        ({"size": "whole"}, True),
        ({"size": "nothing-like-it"}, False),
        ({"size": None, "memory_mib": 500_000, "compute_milli": 10}, False),
        ({"gpu_type": "V100"}, False),
    ],
)
def test_what_no_waiting_helps_does_not_wait(wish: dict[str, object], *, waits: bool) -> None:
    refused = full().ask("ada", **wish)
    assert isinstance(refused, Refusal)
    assert may_wait(refused) is waits


def test_a_limit_of_ones_own_is_nothing_to_wait_for_and_a_groups_is() -> None:
    text = HEAD + "everyone: {limit: {cards: 1/2}}\n".replace(
        "everyone", "groups: {a: {limit: {cards: 1/2}}}\nx"
    )
    hub = SmallHub.under(text.split("x:")[0], *TWO)
    assert isinstance(hub.ask("ada", "a", size="half"), Placement)
    of_group = hub.ask("bob", "a", size="half")
    assert isinstance(of_group, Refusal)
    assert may_wait(of_group)
    alone = SmallHub.under(TYPES + ONCE + "everyone: {limit: {slices: 1}}\n", *TWO)
    assert isinstance(alone.ask("ada", size="small"), Placement)
    of_person = alone.ask("ada", size="small", name="other")
    assert isinstance(of_person, Refusal)
    assert not may_wait(of_person)


def test_a_card_that_opens_again_is_something_to_wait_for() -> None:
    closed = SmallHub.under(HEAD, gpu("g0", closed="it fails"))
    refused = closed.ask("ada", size="half")
    assert isinstance(refused, Refusal)
    assert may_wait(refused)


def test_an_empty_line_has_no_turn() -> None:
    assert HubWithLine(full()).take_turns() == {}


def test_nothing_that_was_added_up_before_a_change_is_counted_on() -> None:
    """Whoever walks on while slices come and go would else call back one that is gone."""
    found, changed = with_line(full(), [queued("a"), queued("b", minute=1)]), iter((True, False))
    first, second = walk(found.hub.holdings, found.order(), None, lambda: False)
    assert first.question.seen.candidates is second.question.seen.candidates
    first, second = walk(found.hub.holdings, found.order(), None, lambda: not next(changed))
    assert first.question.seen.candidates is not second.question.seen.candidates
