"""Any line on any small hub: no order of arrival matters, nobody is overtaken, and all is safe."""

from dataclasses import replace
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st
from sublet_quota.admission.slice_request import RequestedSlice
from sublet_quota.jobs.turns.past_uses import NO_PAST_USE
from sublet_quota.names.ids import UserName
from sublet_quota.placement.slice_placement import Placement, decide_slice
from sublet_quota.reasons.derivation import Rule
from sublet_quota.server_queue.expected import Ends
from sublet_quota.server_queue.line_order import in_order
from sublet_quota.server_queue.payers import without_owner
from sublet_quota.server_queue.queued_server import QueuedServer
from sublet_quota.server_queue.turns import next_placed
from sublet_quota.server_queue.waits import waits
from sublet_quota.server_queue.walk import walk
from sublet_quota.shares.fair_order import RequestId

from tests.quota.admission.any_hub import AnyHub, any_hub
from tests.support.admission_cases import SmallHub
from tests.support.quota_cases import NOON


def with_line_of(hub: AnyHub) -> tuple[SmallHub, list[QueuedServer]]:
    """Half of those who ask do so before there is a line; the others wait in it."""
    made = hub.made()
    line: list[QueuedServer] = []
    for number, step in enumerate(hub.steps):
        asked = step.asked(number)
        if number % 2:
            made.hand_out(asked, f"slice{number}")
        else:
            line.append(
                QueuedServer(
                    RequestId(f"r{number}"),
                    UserName(asked.owner),
                    f"server{number}",
                    asked,
                    NOON + timedelta(minutes=number // 3),
                    lot=number * 7 % 11,
                )
            )
    return made, line


HUBS = any_hub(18, owners=6, kinds=("ask",))


@given(HUBS, st.randoms(use_true_random=False))
@settings(max_examples=30, deadline=None)
def test_no_order_of_arrival_decides(hub: AnyHub, shuffled: object) -> None:
    made, line = with_line_of(hub)
    order = in_order(made.holdings, line, NO_PAST_USE)
    other = list(line)
    shuffled.shuffle(other)
    assert in_order(made.holdings, other, NO_PAST_USE) == order
    assert {each.request_id for each in order} == {each.request_id for each in line}


@given(HUBS)
@settings(max_examples=30, deadline=None)
def test_nobody_is_overtaken_by_who_wants_the_same_and_comes_later(hub: AnyHub) -> None:
    made, line = with_line_of(hub)
    order = in_order(made.holdings, line, NO_PAST_USE)
    turn = next_placed(made.holdings, order)
    if turn is None:
        return
    before = order[: order.index(turn.server)]
    same = without_owner(made.holdings, turn.server.wish)
    for each in before:
        # Who wants the same, and came first, is kept by limits of their own alone.
        if without_owner(made.holdings, each.wish) == same:
            alone = replace(turn.server.wish, owner=each.owner)
            assert not isinstance(decide_slice(made.holdings, alone), Placement)


@given(HUBS)
@settings(max_examples=30, deadline=None)
def test_a_card_that_is_kept_takes_nobody_of_the_line_but_who_is_due(hub: AnyHub) -> None:
    made, line = with_line_of(hub)
    kept = set()
    for step in walk(made.holdings, in_order(made.holdings, line, NO_PAST_USE)):
        if isinstance(step.answer, Placement) and step.answer.why.rule is not Rule.GUARANTEE:
            assert step.answer.gpu_id not in kept
        if step.keeps is not None:
            kept.add(step.keeps)


@given(HUBS)
@settings(max_examples=20, deadline=None)
def test_who_has_no_turn_is_told_why_and_once_all_turns_are_taken_nobody_has_one(
    hub: AnyHub,
) -> None:
    made, line = with_line_of(hub)
    number = 0
    while True:
        order = in_order(made.holdings, line, NO_PAST_USE)
        turn = next_placed(made.holdings, order)
        if turn is None:
            break
        number += 1
        made.hand_out_placed(turn.placement, f"turn{number}")
        line.remove(turn.server)
    found = waits(made.holdings, order, Ends(NOON))
    assert [each.place for each in found] == list(range(1, len(order) + 1))
    assert all(each.why is not None and each.why.message for each in found)


@given(HUBS)
@settings(max_examples=20, deadline=None)
def test_one_more_at_the_end_changes_no_order_of_the_same_person(hub: AnyHub) -> None:
    made, line = with_line_of(hub)
    late = QueuedServer(
        RequestId("late"),
        UserName("user1"),
        "late",
        RequestedSlice("user1", size="half"),
        NOON + timedelta(days=1),
        lot=0,
    )
    before = in_order(made.holdings, line, NO_PAST_USE)
    after = in_order(made.holdings, [*line, late], NO_PAST_USE)
    own = [each for each in before if each.wish.groups == () and each.owner == "user1"]
    places = [after.index(each) for each in own if each.wish.group is None]
    assert all(place < after.index(late) for place in places)
