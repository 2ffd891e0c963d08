"""How those in line stand: place, reason, and when there will be room, as far as it is known."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sublet_quota.names.ids import SliceId
from sublet_quota.placement.slice_placement import Placement
from sublet_quota.reasons.refusal import RefusalReason
from sublet_quota.reasons.server_queue import Expected, ExpectedFrom, expected_words
from sublet_quota.server_queue.expected import MOST_RECKONED, Ends
from sublet_quota.server_queue.waits import Standings

from tests.support.admission_cases import PARTS, SmallHub
from tests.support.queue_cases import queued, with_line
from tests.support.quota_cases import L4, NOON, gpu, notebook, part

HEAD = (
    "gpu_types: {H100: {match: '*H100*'}, L4: {match: '*L4*'}}\n"
    + PARTS
    + "pools: [{name: interactive, memory_overcommit: 1, compute_overcommit: 1}]\n"
)
GROUPS = HEAD + "groups: {a: {}, b: {limit: {cards: 1/2}}}\n"


def hub(text: str = HEAD) -> SmallHub:
    """One card; s0 is held since noon, s1 since ten past."""
    held = (notebook(f"s{n}", f"o{n}", part(0.5), since=10 * n, group=None) for n in range(2))
    return SmallHub.under(text, gpu(), *held)


def minutes(*lengths: int) -> tuple[timedelta, ...]:
    return tuple(timedelta(minutes=length) for length in lengths)


def at(minute: int) -> datetime:
    return NOON + timedelta(minutes=minute)


def test_each_has_a_place_and_knows_how_many_before_ask_for_the_same_gpus() -> None:
    text = GROUPS
    found = with_line(
        SmallHub.under(text, gpu(), gpu("l4", L4, node="n2"), *hub().holdings.slices()),
        [
            queued("first", gpu_type="H100"),
            queued("other", gpu_type="L4", size="whole", minute=1),
            queued("last", gpu_type="H100", minute=2),
        ],
    ).waits()
    assert [(each.place, each.before) for each in found.values()] == [(1, 0), (2, 0), (3, 1)]
    assert found["other"].why is None
    assert found["other"].expected.by is ExpectedFrom.TURN_NOW


def test_where_all_cards_are_closed_who_may_have_the_size_pays_and_stays_in_line() -> None:
    text = (
        "sizes: [{name: half, memory: 1/2, compute: 1/2}, "
        "{name: whole, memory: 1, compute: 1, for: [z]}]\ngroups: {a: {}, z: {}}\n"
    )
    line = [queued("any", "a", "z", size="whole"), queued("named", "a", "z", group="z")]
    closed = SmallHub.under(text, gpu(closed="its agent does not report"))
    found = with_line(closed, line).waits()
    assert [each.group for each in found.values()] == ["z", "z"]
    for wait in found.values():
        assert wait.why is not None
        assert wait.why.reason is RefusalReason.GPU_CLOSED
        assert wait.why.message.endswith("its agent does not report. Stay in line.")


def test_why_it_waits_names_whose_slices_are_in_the_way_and_what_helps() -> None:
    text = HEAD + "groups: {lab: {}, law: {}}\n"
    held = (notebook(f"{name}0", name, part(0.5), group=name) for name in ("lab", "law"))
    wait = with_line(SmallHub.under(text, gpu(), *held), [queued("a")]).waits()["a"]
    assert wait.why is not None
    assert wait.why.reason is RefusalReason.NO_ROOM
    assert wait.why.waits_for == ("lab", "law")
    assert (wait.group, wait.pool) == (None, "interactive")


def test_room_on_a_card_that_is_kept_is_told_as_such() -> None:
    found = with_line(hub(), [queued("large", size="whole"), queued("small", minute=1)])
    found.hub.end("s0")
    wait = found.waits()["small"]
    assert wait.why is not None
    assert "kept for who comes before in line" in wait.why.message


def test_an_end_that_is_known_is_told() -> None:
    ends = {SliceId("s1"): at(40)}
    wait = with_line(hub(), [queued("a")]).waits(20, of_slices=ends)["a"]
    assert wait.expected == Expected(at(40), ExpectedFrom.KNOWN_ENDS, "H100")


def test_an_end_is_judged_by_how_long_others_were_held_that_lasted_as_long() -> None:
    # At 12:20 s1 is held for ten minutes: of those that were longer half ended within 30.
    held = {"H100": minutes(5, 8, 25, 30, 90)}
    wait = with_line(hub(), [queued("a")]).waits(20, held=held)["a"]
    # s0, held for twenty minutes, is thought to end first, at 12:30; s1 at 12:40.
    assert wait.expected == Expected(at(30), ExpectedFrom.HELD_BEFORE, "H100")


def test_nothing_is_made_up_where_too_little_is_known() -> None:
    wait = with_line(hub(), [queued("a")]).waits(20, held={"H100": minutes(25, 30)})["a"]
    assert wait.expected == Expected(None, ExpectedFrom.NOTHING_KNOWN)


def test_each_waits_for_what_those_before_leave() -> None:
    ends = {SliceId("s0"): at(30), SliceId("s1"): at(50)}
    line = [queued("first"), queued("second", minute=1), queued("third", minute=2)]
    found = with_line(hub(), line).waits(20, of_slices=ends)
    assert [each.expected.at for each in found.values()] == [at(30), at(50), None]


@pytest.mark.parametrize(
    ("text", "owner", "by"),
    [
        pytest.param(
            "a: {weight: 0, limit: {cards: 1/2}}", None, ExpectedFrom.LIMIT, id="of a group"
        ),
        pytest.param(
            "a: {weight: 0, limit: {memory: 40 GiB}}", None, ExpectedFrom.LIMIT, id="of memory"
        ),
        pytest.param(
            "a: {weight: 0, each: {limit: {slices: 1}}}", "one", ExpectedFrom.LIMIT, id="one's own"
        ),
        pytest.param(
            "a: {weight: 0, limit: {cards: 1}}", None, ExpectedFrom.KNOWN_ENDS, id="with room"
        ),
    ],
)
def test_no_time_is_told_where_those_before_will_fill_a_limit(
    text: str, owner: str | None, by: ExpectedFrom
) -> None:
    ends = {SliceId("s0"): at(30), SliceId("s1"): at(50)}
    line = [queued(f"a{n}", "a", owner=owner, minute=n) for n in range(2)]
    found = with_line(hub(f"{HEAD}groups: {{{text}}}\n"), line).waits(20, of_slices=ends)
    assert found["a0"].expected == Expected(at(30), ExpectedFrom.KNOWN_ENDS, "H100")
    assert found["a1"].expected.by is by


def test_no_time_is_told_to_who_borrows_no_more() -> None:
    text = HEAD + "groups: {lab: {guaranteed: {H100: 1}}}\n"
    held = SmallHub.under(text, gpu())
    assert isinstance(held.ask("eve", size="half"), Placement)
    held.holdings.mark_unsuspendable(SliceId("eve"), unsuspendable=True)
    found = with_line(held, [queued("more", owner="eve", size="quarter")]).waits(20)["more"]
    assert found.why is not None
    assert "they borrow no more" in found.why.message
    assert found.expected == Expected(None, ExpectedFrom.NOTHING_KNOWN)


def test_an_end_that_is_over_is_now() -> None:
    wait = with_line(hub(), [queued("a")]).waits(60, of_slices={SliceId("s0"): at(30)})["a"]
    assert wait.expected.at == at(60)


def test_who_waits_for_a_limit_is_told_no_time() -> None:
    found = with_line(SmallHub.under(GROUPS, gpu()), [queued("bob", "b")])
    assert isinstance(found.hub.ask("ann", "b", size="half"), Placement)
    assert found.waits()["bob"].expected == Expected(None, ExpectedFrom.LIMIT)


def test_a_card_that_opens_at_a_stated_time_is_told() -> None:
    facts = replace(
        gpu(closed="fan"), closed_by_hand=True, closed_until=NOON + timedelta(minutes=90)
    )
    wait = with_line(SmallHub.under(HEAD, facts), [queued("a")]).waits()["a"]
    assert wait.expected == Expected(at(90), ExpectedFrom.CARD_OPENS)


@pytest.mark.parametrize(
    ("opens", "ends", "expected"),
    [
        (20, 30, Expected(at(20), ExpectedFrom.CARD_OPENS, "H100")),
        (40, 30, Expected(at(30), ExpectedFrom.KNOWN_ENDS, "H100")),
        (None, 30, Expected(at(30), ExpectedFrom.KNOWN_ENDS, "H100")),
    ],
)
def test_a_card_that_opens_is_waited_for_beside_others_that_are_full(
    opens: int | None, ends: int, expected: Expected
) -> None:
    until = None if opens is None else NOON + timedelta(minutes=opens)
    closed = replace(gpu("other", closed="fan"), closed_by_hand=True, closed_until=until)
    full = SmallHub.under(HEAD, gpu(), closed, *hub().holdings.slices())
    wait = with_line(full, [queued("a")]).waits(10, of_slices={SliceId("s0"): at(ends)})["a"]
    assert wait.expected == expected


@pytest.mark.parametrize(
    ("ends", "expected"),
    [
        (10, Expected(at(20), ExpectedFrom.CARD_OPENS, "H100")),
        (30, Expected(at(30), ExpectedFrom.KNOWN_ENDS, "H100")),
        (None, Expected(None, ExpectedFrom.NOTHING_KNOWN)),
    ],
)
def test_what_goes_on_on_a_closed_card_is_in_the_way_when_it_opens(
    ends: int | None, expected: Expected
) -> None:
    closed = replace(gpu("other", closed="fan"), closed_by_hand=True, closed_until=at(20))
    there = notebook("there", "o3", part(1), group=None, on="other")
    full = SmallHub.under(HEAD, gpu(), closed, there, *hub().holdings.slices())
    known = {} if ends is None else {SliceId("there"): at(ends)}
    wait = with_line(full, [queued("a")]).waits(5, of_slices=known)["a"]
    assert wait.expected == expected


def test_far_back_in_line_nothing_is_reckoned() -> None:
    ends = {SliceId("s0"): at(30)}
    line = [queued(f"u{n}", minute=n) for n in range(MOST_RECKONED + 1)]
    last = with_line(hub(), line).waits(20, of_slices=ends)[f"u{MOST_RECKONED}"]
    assert last.expected == Expected(None, ExpectedFrom.FAR_BACK)
    assert last.place == MOST_RECKONED + 1


def test_one_alone_can_be_asked_for() -> None:
    found = with_line(hub(), [queued("a"), queued("b", minute=1)])
    order = found.order()
    only = Standings(found.hub.holdings, order, Ends(NOON)).of(order[1].request_id)
    assert (only.server.request_id, only.place) == ("b", 2)


def test_the_end_of_an_idle_server_is_told_with_what_it_hangs_on() -> None:
    found = with_line(hub(), [queued("a")]).waits(20, of_idle={SliceId("s0"): at(50)})["a"]
    assert found.expected == Expected(at(50), ExpectedFrom.IDLE_ENDS, "H100")
    assert "unless their owners come back" in expected_words(found.expected)


def test_what_is_known_for_sure_goes_before_an_idle_end() -> None:
    ends = {"of_slices": {SliceId("s0"): at(30)}, "of_idle": {SliceId("s0"): at(50)}}
    found = with_line(hub(), [queued("a")]).waits(20, **ends)["a"]
    assert found.expected == Expected(at(30), ExpectedFrom.KNOWN_ENDS, "H100")
