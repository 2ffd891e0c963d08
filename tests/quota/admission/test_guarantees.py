"""On any hub: a guarantee is always to be had, and nobody entitled ever loses their place."""

from collections.abc import Iterator

from hypothesis import given, settings
from sublet_quota.admission.slice_admission import admit
from sublet_quota.admission.slice_request import RequestedSlice
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.names.ids import SliceId
from sublet_quota.placement.called_back import back_to_their_place
from sublet_quota.placement.slice_placement import Placement, decide_slice
from sublet_quota.residency.snapshot import Rank

from tests.quota.admission.any_hub import AnyHub, any_hub
from tests.support.admission_cases import SmallHub

EXAMPLES = 30


def walk(any_one: AnyHub) -> Iterator[tuple[SmallHub, RequestedSlice, str]]:
    """Yield the hub before each request, which is then decided and done."""
    hub = any_one.made()
    for number, step in enumerate(any_one.steps):
        held = sorted(one.slice_id for one in hub.holdings.slices())
        if step.what == "ask":
            wish = step.asked(number)
            yield hub, wish, f"s{number}"
            hub.hand_out(wish, f"s{number}")
        elif held and step.what == "stop":
            hub.end(held[step.who % len(held)])
        elif held:
            chosen = SliceId(held[step.who % len(held)])
            hub.holdings.mark_unsuspendable(chosen, unsuspendable=True)


def is_due(holdings: Holdings, wish: RequestedSlice) -> bool:
    """Whether a wish is within a guarantee that is laid out.

    No limit has a part in it: of who is guaranteed something these hubs limit cards alone, and a
    guarantee is never above such a limit.
    """
    return any(
        option.rank is Rank.ENTITLED and not holdings.layout(option.asked.gpu_type).problems
        for option in admit(holdings, wish).within_rights
    )


@given(any_hub())
@settings(max_examples=EXAMPLES, deadline=None)
def test_a_request_within_guarantee_and_limits_is_granted_whatever_others_hold(
    any_one: AnyHub,
) -> None:
    for hub, wish, _ in walk(any_one):
        if wish.never_suspended or not is_due(hub.holdings, wish):
            continue
        answer = decide_slice(hub.holdings, wish)
        assert isinstance(answer, Placement), answer
        assert answer.rank is Rank.ENTITLED


@given(any_hub(unsuspendable=True))
@settings(max_examples=EXAMPLES, deadline=None)
def test_nobody_entitled_is_ever_called_back_nor_who_cannot_leave(any_one: AnyHub) -> None:
    for hub, wish, _ in walk(any_one):
        answer = decide_slice(hub.holdings, wish)
        if not isinstance(answer, Placement):
            continue
        for slice_id in answer.calls_back:
            holding = hub.holdings.slice(slice_id)
            assert holding is not None
            assert hub.holdings.rank(slice_id) in (Rank.BORROWED, Rank.ENTITLED_IN_PART)
            assert not holding.unsuspendable
            assert holding.gpu_id == answer.gpu_id


@given(any_hub(unsuspendable=True))
@settings(max_examples=EXAMPLES, deadline=None)
def test_replayed_on_its_own_result_a_decision_changes_nothing(any_one: AnyHub) -> None:
    for hub, wish, _ in walk(any_one):
        answer = decide_slice(hub.holdings, wish)
        if not isinstance(answer, Placement):
            continue
        hub.make_way(answer)
        again = decide_slice(hub.holdings, wish)
        assert isinstance(again, Placement), again
        assert not again.calls_back
        assert not again.recharged
        assert again.gpu_id == answer.gpu_id


@given(any_hub(unsuspendable=True))
@settings(max_examples=EXAMPLES, deadline=None)
def test_a_server_that_restarts_calls_nobody_back_anew(any_one: AnyHub) -> None:
    for hub, wish, name in walk(any_one):
        if not isinstance(hub.hand_out(wish, name), Placement):
            continue
        hub.holdings.remove(SliceId(name))
        again = decide_slice(hub.holdings, wish)
        assert isinstance(again, Placement), again
        assert not again.calls_back


@given(any_hub())
@settings(max_examples=EXAMPLES, deadline=None)
def test_who_is_back_fits_and_is_not_sent_away_by_it(any_one: AnyHub) -> None:
    for hub, _, _ in walk(any_one):
        hub.let_back()
        assert not back_to_their_place(hub.holdings)
        for gpu in hub.holdings.gpus():
            room = hub.holdings.room(gpu.gpu_id)
            here = hub.holdings.slices_on(gpu.gpu_id)
            borrowed = [one for one in here if hub.holdings.rank(one.slice_id) is Rank.BORROWED]
            if room is not None and len(borrowed) == len(here):
                assert room.shared_mib >= 0
                assert room.shared_milli >= 0
