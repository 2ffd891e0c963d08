"""Borrowed slices: where they may lie, whom they make way for, and when they are back."""

from dataclasses import replace
from textwrap import dedent

import pytest
from sublet_quota.admission.slice_request import RequestedSlice
from sublet_quota.names.ids import SliceId
from sublet_quota.placement.called_back import back_to_their_place
from sublet_quota.placement.slice_placement import Placement, decide_slice
from sublet_quota.reasons.refusal import Refusal, RefusalReason
from sublet_quota.residency.snapshot import Rank

from tests.support.admission_cases import PARTS, SmallHub
from tests.support.quota_cases import gib, gpu, notebook

TYPE = "gpu_types: {H100: {match: '*H100*'}}\n"
ONCE = "pools: [{name: interactive, memory_overcommit: 1, compute_overcommit: 1}]\n"
TWO_POOLS = (
    TYPE
    + PARTS
    + dedent(
        """
    pools:
      - {name: own, default: true, nodes: [n1], memory_overcommit: 1, compute_overcommit: 1}
      - {name: other, nodes: [n2], memory_overcommit: 1, compute_overcommit: 1, LENDS}
    groups: {lab: {guaranteed: {H100: 1}}}
    """
    )
)
CARDS = (gpu("o", node="n1"), gpu("a", node="n2"), gpu("b", node="n2", index=1))


def two_pools(lends: str = "") -> SmallHub:
    full = notebook("x", "eve", gib(79, 1000), "o", pool="own")
    return SmallHub.under(TWO_POOLS.replace("LENDS", lends or "idle_after: 10m"), *CARDS, full)


def test_what_is_borrowed_lies_in_another_pool_up_to_the_part_that_it_lends() -> None:
    assert isinstance(two_pools().ask("zoe", size="half"), Refusal)
    hub = two_pools("lends: {own: 50%}")
    for number in range(2):
        answer = hub.ask(f"z{number}", size="half")
        assert isinstance(answer, Placement), answer
        assert answer.pool == "own"
        assert answer.gpu_id in ("a", "b")
    assert isinstance(hub.ask("z2", size="half"), Refusal), "two halves are half of two cards"


def test_a_guarantee_that_could_not_be_laid_out_counts_in_pools_that_lend_nothing_too() -> None:
    rests = ", ".join(f"{name}: {{guaranteed: {{H100: 3/4}}}}" for name in "abcd")
    text = TWO_POOLS.replace("LENDS", "idle_after: 10m").replace(
        "lab: {guaranteed: {H100: 1}}", rests
    )
    full = notebook("x", "eve", gib(79, 1000), "o", pool="own")
    hub = SmallHub.under(text, *CARDS, full)
    ((lacks, _),) = hub.holdings.layout("H100").problems
    answer = hub.ask("cyd", lacks, size="quarter")
    assert isinstance(answer, Placement), answer
    assert (answer.gpu_id in ("a", "b"), hub.rank("cyd")) == (True, Rank.ENTITLED)


def test_what_is_guaranteed_counts_wherever_its_type_is() -> None:
    answer = two_pools().ask("lea", "lab", size="whole")
    assert isinstance(answer, Placement), answer
    assert answer.rank is Rank.ENTITLED


ONE_OF_TWO = TYPE + PARTS + ONCE + "groups: {lab: {guaranteed: {H100: 1}}}\n"


def test_what_is_borrowed_lies_outside_of_layouts_first() -> None:
    hub = SmallHub.under(ONE_OF_TWO, gpu("a"), gpu("b", index=1))
    laid_out = set(hub.holdings.layout("H100").parts)
    answers = [hub.ask(f"u{n}", size="half") for n in range(4)]
    cards = [answer.gpu_id for answer in answers if isinstance(answer, Placement)]
    assert len(cards) == 4
    assert laid_out.isdisjoint(cards[:2])
    assert set(cards[2:]) == laid_out


def test_what_can_never_be_suspended_borrows_outside_of_every_layout_alone() -> None:
    hub = SmallHub.under(ONE_OF_TWO, gpu("a"), gpu("b", index=1))
    assert isinstance(hub.ask("u0", size="whole", never_suspended=True), Placement)
    refused = hub.ask("u1", size="quarter", never_suspended=True)
    assert isinstance(refused, Refusal)
    assert "guaranteed to nobody" in refused.message
    entitled = hub.ask("lea", "lab", size="whole", never_suspended=True)
    assert isinstance(entitled, Placement)
    assert entitled.rank is Rank.ENTITLED


def blocked() -> SmallHub:
    """A card of the lab's on which eve borrows, and can be paused only."""
    hub = SmallHub.under(ONE_OF_TWO, gpu("a"))
    assert isinstance(hub.ask("eve", size="half"), Placement)
    hub.holdings.mark_unsuspendable(SliceId("eve"), unsuspendable=True)
    return hub


def test_a_guarantee_waits_only_for_what_cannot_make_way_and_says_for_whom() -> None:
    refused = blocked().ask("lea", "lab", size="whole")
    assert isinstance(refused, Refusal)
    assert "guaranteed 1 card of H100" in refused.message
    assert refused.waits_for == (None,)
    assert refused.why is not None
    assert refused.why.lines[0].path == "groups.lab.guaranteed.H100"


def test_who_borrowed_and_cannot_make_way_any_more_borrows_no_more_until_they_can() -> None:
    hub = blocked()
    refused = hub.ask("eve", size="quarter", name="more")
    assert isinstance(refused, Refusal)
    assert "borrow no more until it can" in refused.message
    assert isinstance(hub.ask("una", size="quarter"), Placement)
    hub.holdings.mark_unsuspendable(SliceId("eve"), unsuspendable=False)
    assert isinstance(hub.ask("eve", size="quarter", name="more"), Placement)


def test_those_called_back_are_back_the_oldest_first_as_far_as_they_fit() -> None:
    hub = SmallHub.under(ONE_OF_TWO, gpu("a"))
    for name, size in (("old", "half"), ("new", "half")):
        assert isinstance(hub.ask(name, size=size), Placement)
    assert isinstance(hub.ask("lea", "lab", size="whole"), Placement)
    assert hub.called_back() == {"old", "new"}
    assert not back_to_their_place(hub.holdings)
    hub.holdings.put(replace(hub.holdings.slice(SliceId("lea")), amount=gib(39, 500)))
    assert back_to_their_place(hub.holdings) == ("old",)
    hub.end("lea")
    assert not hub.called_back()


def test_one_that_is_entitled_by_now_is_back_whatever_fits() -> None:
    hub = SmallHub.under(ONE_OF_TWO, gpu("a"))
    for name in ("first", "second"):
        assert isinstance(hub.ask(name, "lab", size="half"), Placement)
    hub.holdings.put(notebook("late", "lou", gib(39, 500), "a", group="lab", called_back=True))
    assert not back_to_their_place(hub.holdings)
    hub.holdings.remove(SliceId("first"))
    assert back_to_their_place(hub.holdings) == ("late",)


def test_of_who_could_be_recharged_nobody_stops_being_entitled() -> None:
    text = (
        PARTS
        + TYPE
        + dedent(
            """
        groups:
          lab: {guaranteed: {H100: 1/4}, limit: {slices: 2}}
          club: {}
        """
        )
    )
    hub = SmallHub.under(text, gpu("a"))
    for name in ("entitled", "borrowed"):
        answer = hub.ask(name, "lab", "club", group=None, size="quarter")
        assert isinstance(answer, Placement)
        held = hub.holdings.slice(SliceId(name))
        assert held is not None
        hub.holdings.put(replace(held, group="lab"))
    assert hub.rank("entitled") is Rank.ENTITLED
    assert hub.rank("borrowed") is Rank.BORROWED
    answer = decide_slice(hub.holdings, RequestedSlice("new", ("lab",), size="quarter"))
    assert isinstance(answer, Placement)
    assert answer.recharged == ((SliceId("borrowed"), "club"),)
    hub.holdings.remove(SliceId("borrowed"))
    hub.ask("named", "lab", group="lab", size="quarter")
    refused = decide_slice(hub.holdings, RequestedSlice("new", ("lab",), size="quarter"))
    assert isinstance(refused, Refusal)
    assert refused.reason is RefusalReason.GROUP_LIMIT


@pytest.mark.parametrize("names", [("east", "west"), ("west", "east")])
def test_which_of_several_pools_lends_goes_by_room_and_not_by_names(names: tuple[str, str]) -> None:
    text = dedent(
        """
        pools:
          - {{name: own, nodes: [node-0], default: true}}
          - {{name: {}, nodes: [node-1], lends: {{own: 100%}}}}
          - {{name: {}, nodes: [node-2], lends: {{own: 100%}}}}
        """
    ).format(*names)
    cards = gpu("empty", node="node-1"), gpu("tighter", node="node-2")
    there = notebook("other", amount=gib(20), on="tighter", pool=names[1])
    hub = SmallHub.under(text + PARTS, *cards, there)
    answer = hub.ask("una", size="quarter", pool="own")
    assert isinstance(answer, Placement)
    assert answer.gpu_id == "tighter"


def test_nobody_waits_for_who_stands_where_the_slice_may_not_lie() -> None:
    text = dedent(
        """
        pools:
          - {name: own, nodes: [node-0], default: true, memory_overcommit: 1}
          - {name: away, nodes: [node-1]}
        groups: {near: {}, closed: {}, away: {}}
        """
    )
    cards = (
        gpu("near", node="node-0"),
        gpu("closed", node="node-0", index=1, closed="XID 79"),
        gpu("away", node="node-1"),
    )
    there = [notebook(one.gpu_id, on=one.gpu_id, group=one.gpu_id, pool="own") for one in cards]
    hub = SmallHub.under(text + PARTS, *cards, *there)
    refused = hub.ask("una", size="whole")
    assert isinstance(refused, Refusal)
    assert refused.waits_for == ("near",)


def test_together_those_who_are_back_may_have_more_than_a_card_under_the_overcommit() -> None:
    text = PARTS + "pools: [{name: interactive, memory_overcommit: 2, compute_overcommit: 2}]"
    large, small = gib(70), gib(20)
    hub = SmallHub.under(
        text,
        gpu("a"),
        notebook("large", "u1", large, "a", since=1, called_back=True),
        notebook("small", "u2", small, "a", since=2, called_back=True),
    )
    assert back_to_their_place(hub.holdings) == ("large", "small")
