"""Reservations: their room is lent until moving must begin, and is there at the hour."""

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sublet_quota.admission.slice_request import RequestedSlice
from sublet_quota.holdings.gpu_load import Holding
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.holdings.kept_cards import KEPT_FOR
from sublet_quota.names.ids import GpuId, SliceId, UserName
from sublet_quota.placement.reserved_room import (
    LEAST_LEAD,
    LOOK_AHEAD,
    ReservedRoom,
    due_now,
    kept_for,
    reserved_room,
    to_move_mib,
)
from sublet_quota.placement.slice_placement import Placement, decide_slice
from sublet_quota.reasons.helping import HelpKind
from sublet_quota.reasons.refusal import Refusal
from sublet_quota.residency.snapshot import Holder, Rank

from tests.support.admission_cases import SmallHub
from tests.support.quota_cases import NOON, a_reservation_of, document, gpu, notebook, part

MINUTE = timedelta(minutes=1)
AT_TWO = NOON + 120 * MINUTE
SIZES = """
sizes:
  - {name: quarter, memory: 1/4, compute: 1/4}
  - {name: half, memory: 1/2, compute: 1/2}
  - {name: whole, memory: 1, compute: 1}
"""


def text(reserved: float, overcommit: int = 1, more: str = "") -> str:
    return f"""
gpu_types: {{H100: {{match: "*H100*"}}}}
pools: [{{name: interactive, memory_overcommit: {overcommit}, compute_overcommit: {overcommit}}}]
{SIZES}
groups: {{course: {{}}, other: {{}}, guests: {{}}}}
reservations:
  - {{name: lab, for: course, guaranteed: {{H100: {reserved}}}, at: "Mon 14:00-16:00"}}
{more}
"""


def held_at(now: datetime, written: str, cards: int, *slices: Holding) -> Holdings:
    gpus = [gpu(f"gpu-{n}", index=n) for n in range(cards)]
    return Holdings(document(written).at(now), gpus, slices)


def guest(name: str, on: str, of_a_card: float = 1, **more: object) -> Holding:
    return notebook(name, f"guest-{name}", part(of_a_card), on, group="guests", **more)


def test_who_borrowed_makes_way_on_the_cards_that_will_be_laid_out() -> None:
    held = held_at(AT_TWO - 5 * MINUTE, text(1), 2, guest("a", "gpu-0"), guest("b", "gpu-1"))
    (room,) = reserved_room(held, AT_TWO - 5 * MINUTE)
    assert (room.group, room.begin, room.not_before) == ("course", AT_TWO, None)
    assert len(room.slices) == 1
    # Asking has changed nothing.
    assert {held.rank(each.slice_id) for each in held.slices()} == {Rank.BORROWED}


@pytest.mark.parametrize(
    "now", [AT_TWO - LOOK_AHEAD - MINUTE, AT_TWO, AT_TWO + MINUTE], ids=["early", "on", "later"]
)
def test_nobody_makes_way_long_before_nor_once_it_is_on(now: datetime) -> None:
    assert reserved_room(held_at(now, text(1), 1, guest("a", "gpu-0")), now) == ()


def test_who_is_on_other_cards_or_fits_beside_what_is_reserved_stays() -> None:
    now = AT_TWO - MINUTE
    held = held_at(now, text(1), 2, guest("a", "gpu-0"), guest("b", "gpu-1"))
    (room,) = reserved_room(held, now)
    elsewhere = guest("b", "gpu-1" if room.gpu_id == "gpu-0" else "gpu-0")
    for others in (
        held_at(now, text(1), 2, elsewhere),
        held_at(now, text(0.5), 1, guest("a", "gpu-0", 0.5)),
        held_at(now, text(1, 2), 1, guest("a", "gpu-0")),
    ):
        assert [each.slices for each in reserved_room(others, now)] == [()]


def test_nobody_else_borrows_what_is_kept_and_its_group_does() -> None:
    now = AT_TWO - MINUTE
    held = held_at(now, text(1), 1)
    held.kept_cards = {room.gpu_id: room.kept_for for room in reserved_room(held, now)}
    assert ask(held, "guest", "guests", "half", now) is None
    early = ask(held, "student", "course", "half", now)
    assert early is not None
    assert early.rank is Rank.BORROWED
    at_two = held.under(document(text(1)).at(AT_TWO), AT_TWO, timedelta())
    assert at_two.kept_cards == held.kept_cards
    placed = ask(at_two, "other", "course", "half", AT_TWO)
    assert placed is not None
    assert placed.rank is Rank.ENTITLED
    at_two.kept_cards = {}
    assert ask(at_two, "guest", "guests", "half", AT_TWO) is None


def test_what_is_kept_is_neither_told_as_free_nor_as_what_a_stop_would_bring() -> None:
    held = held_at(AT_TWO - MINUTE, text(1), 1, guest("a", "gpu-0", 0.7))
    wish = RequestedSlice(owner="guest", groups=("guests",), size="quarter")
    assert isinstance(decide_slice(held, wish), Placement)
    held.kept_cards = {GpuId("gpu-0"): a_reservation_of("course")}
    told = decide_slice(held, wish)
    assert isinstance(told, Refusal)
    assert told.numbers["free_mib"] == 0
    assert told.message.endswith(
        "Try again after 2026-11-23 12:06 UTC, when what course leaves of its reservation is lent, "
        "or after 2026-11-23 13:01 UTC, when that ends."
    )
    held.kept_cards = {GpuId("gpu-0"): a_reservation_of("guests")}
    assert isinstance(decide_slice(held, wish), Placement)


def test_the_end_of_a_reservation_is_not_advised_where_it_would_not_help() -> None:
    held = held_at(AT_TWO - MINUTE, text(1), 1, guest("a", "gpu-0", 1))
    held.kept_cards = {GpuId("gpu-0"): a_reservation_of("course")}
    told = decide_slice(held, RequestedSlice(owner="guest", groups=("guests",), size="whole"))
    assert isinstance(told, Refusal)
    assert HelpKind.RESERVED not in {each.kind for each in told.helps}


def test_no_moment_is_advised_at_which_nothing_is_lent_before_the_reservation_has_ended() -> None:
    held = held_at(AT_TWO - MINUTE, text(1), 1, guest("a", "gpu-0", 0.7))
    short = replace(a_reservation_of("course"), end=NOON + 4 * MINUTE)
    held.kept_cards = {GpuId("gpu-0"): short}
    told = decide_slice(held, RequestedSlice(owner="guest", groups=("guests",), size="quarter"))
    assert isinstance(told, Refusal)
    assert told.message.endswith(
        "Try again after 2026-11-23 12:04 UTC, when the reservation of course ends."
    )


@pytest.mark.parametrize("first", ["gpu-0", "gpu-1"])
def test_of_several_reservations_the_end_is_advised_with_which_there_is_room(first: str) -> None:
    other = "gpu-1" if first == "gpu-0" else "gpu-0"
    held = held_at(AT_TWO - MINUTE, text(1), 2, guest("a", first, 1))
    soon, late = a_reservation_of("course"), a_reservation_of("course")
    late = replace(late, begin=late.begin + MINUTE, end=late.end + 60 * MINUTE)
    held.kept_cards = {GpuId(first): soon, GpuId(other): late}
    told = decide_slice(held, RequestedSlice(owner="guest", groups=("guests",), size="whole"))
    assert isinstance(told, Refusal)
    assert told.message.endswith(
        "Try again after 2026-11-23 12:07 UTC, when what course leaves of its reservation is lent, "
        "or after 2026-11-23 14:01 UTC, when that ends."
    )


def test_they_are_called_back_as_late_as_their_memory_allows_and_a_minute_before_at_least() -> None:
    room = ReservedRoom("course", "gpu-0", (), AT_TWO, AT_TWO + 120 * MINUTE)
    assert room.due_at(timedelta(seconds=5)) == AT_TWO - LEAST_LEAD
    assert room.due_at(3 * MINUTE) == AT_TWO - 3 * MINUTE
    assert room.due_at(60 * MINUTE) == AT_TWO - LOOK_AHEAD


@pytest.mark.parametrize(
    ("held_gib", "reserved", "leaves_gib"),
    [
        # All that lies there, also of who keeps their place under the overcommit.
        ({"called": 20, "keeps": 10, "job": 30}, 1, 60),
        # The room is there beside them: who lost their place may leave all the same.
        ({"called": 20, "keeps": 1, "job": 5}, 0.5, 20),
        ({"called": 0, "keeps": 0, "job": 70}, 0.5, 70),
        # What the reservation's own have there is of it.
        ({"own": 40, "job": 10}, 0.5, 0),
        ({"own": 10, "job": 50}, 0.5, 50),
        ({"entitled": 40, "job": 10}, 0.5, 10),
    ],
)
def test_how_much_leaves_hangs_on_what_jobs_and_others_hold_there(
    held_gib: dict[str, int], reserved: float, leaves_gib: int
) -> None:
    now = AT_TWO - 5 * MINUTE
    holders = {
        "called": guest("called", "gpu-0", 0.5),
        "keeps": guest("keeps", "gpu-0", 0.5),
        "job": replace(guest("job", "gpu-0", 1), holder=Holder.JOB),
        "own": notebook("own", "olga", part(0.5), "gpu-0", group="course"),
        "entitled": notebook("entitled", "eve", part(0.5), "gpu-0", group="other"),
    }
    held = held_at(now, text(reserved, 4, more=BEFORE), 1, *(holders[name] for name in held_gib))
    called = tuple(SliceId(name) for name in held_gib if name == "called")
    memory_mib = int(reserved * 80 * 1024)
    room = ReservedRoom("course", "gpu-0", called, AT_TWO, AT_TWO + MINUTE, memory_mib)
    moved = to_move_mib(held, room, lambda name: held_gib[name] * 1024)
    assert moved == leaves_gib * 1024


BEFORE = '  - {name: first, for: other, guaranteed: {H100: 1}, at: "Mon 12:00-14:00"}'


def test_never_before_anothers_reservation_on_the_card_has_ended() -> None:
    now = AT_TWO - 2 * MINUTE
    others = notebook("o", "olga", part(0.5), "gpu-0", group="other")
    held = held_at(now, text(1, more=BEFORE), 1, others, guest("g", "gpu-0", 0.5))
    assert held.rank(SliceId("o")) is Rank.ENTITLED
    (room,) = reserved_room(held, now)
    assert room.slices == ("g",)
    assert room.due_at(timedelta()) == AT_TWO


def test_for_whom_room_is_kept_and_until_when() -> None:
    read = document(text(1))

    def name(now: datetime, group: str = "course") -> str | None:
        found = kept_for(read.at(now), group, now)
        return None if found is None else found.reservation.name

    assert name(AT_TWO - LOOK_AHEAD - MINUTE) is None
    assert name(AT_TWO - LEAST_LEAD) == name(AT_TWO + KEPT_FOR - MINUTE) == "lab"
    assert name(AT_TWO + KEPT_FOR) is None
    assert name(AT_TWO - LEAST_LEAD, "other") is None


def within_a_group(guaranteed: int, reserved_for: str) -> str:
    return f"""
gpu_types: {{H100: {{match: "*H100*"}}}}
pools: [{{name: interactive, memory_overcommit: 1, compute_overcommit: 1}}]
{SIZES}
groups:
  uni: {{guaranteed: {{H100: {guaranteed}}}, groups: {{lab: {{}}, course: {{}}}}}}
  other: {{}}
reservations:
  - {{name: lab, for: {reserved_for}, guaranteed: {{H100: 1}}, at: "Mon 14:00-16:00"}}
"""


def of_lab(name: str, on: str) -> Holding:
    return notebook(name, f"lab-{name}", part(1), on, group="lab")


def test_who_is_guaranteed_in_part_makes_way_for_who_is_within_that_part() -> None:
    now = AT_TWO - MINUTE
    held = held_at(now, within_a_group(1, "course"), 1, of_lab("a", "gpu-0"))
    assert held.rank(SliceId("a")) is Rank.ENTITLED_IN_PART
    (room,) = reserved_room(held, now)
    assert room.slices == ("a",)
    assert due_now(held, [room], {}, lambda _: timedelta(), now).begun == (room,)


def test_and_stays_for_everybody_else() -> None:
    now = AT_TWO - MINUTE
    slices = (of_lab("a", "gpu-0"), guest("b", "gpu-1", 1))
    written = within_a_group(1, "other").replace("other: {}", "other: {}\n  guests: {}")
    (room,) = reserved_room(held_at(now, written, 2, *slices), now)
    assert room.slices == ("b",)


def test_at_the_hour_the_card_of_the_reservation_is_taken_before_that_of_others_there() -> None:
    slices = (of_lab("a", "gpu-0"), of_lab("b", "gpu-1"))
    before = held_at(AT_TWO - MINUTE, within_a_group(1, "course"), 2, *slices)
    before.layout("H100")
    held = before.under(before.document.as_written.at(AT_TWO), AT_TWO, timedelta())
    (laid_out,) = (gpu_id for gpu_id in ("gpu-0", "gpu-1") if is_laid_out_for(held, gpu_id))
    placed = ask(held, "student", "course", "whole", AT_TWO)
    assert placed is not None
    assert placed.gpu_id == laid_out
    assert placed.calls_back == ("a" if laid_out == "gpu-0" else "b",)


def is_laid_out_for(held: Holdings, gpu_id: str) -> bool:
    return "course" in {each.node for each in held.layout("H100").on(GpuId(gpu_id))}


def ask(held: Holdings, owner: str, group: str, size: str, now: datetime) -> Placement | None:
    wish = RequestedSlice(owner=UserName(owner), groups=(group,), size=size)
    hub = SmallHub(held, minute=(now - NOON) // MINUTE)
    answer = hub.hand_out(wish, f"s-{owner}")
    return answer if isinstance(answer, Placement) else None


PARTS = {"quarter": 4, "half": 2, "whole": 1}


@settings(max_examples=60, deadline=None)
@given(
    cards=st.integers(1, 5),
    data=st.data(),
    overcommit=st.integers(1, 2),
    size=st.sampled_from(sorted(PARTS)),
)
def test_at_the_hour_all_that_fit_start_at_once_and_call_nobody_back(
    cards: int, data: st.DataObject, overcommit: int, size: str
) -> None:
    reserved = data.draw(st.integers(1, cards))
    written = text(reserved, overcommit)
    before = AT_TWO - LEAST_LEAD
    held = held_at(before, written, cards)
    numbers = count()
    for wanted in data.draw(st.lists(st.sampled_from(sorted(PARTS)), max_size=5 * cards)):
        ask(held, f"guest-{next(numbers)}", "guests", wanted, before)
    for room in reserved_room(held, before):
        for slice_id in room.slices:
            held.mark_called_back(slice_id, called_back=True)
    at_two = held.under(document(written).at(AT_TWO), AT_TWO, timedelta())
    for n in range(reserved * PARTS[size]):
        placed = ask(at_two, f"student-{n}", "course", size, AT_TWO)
        assert placed is not None
        assert (placed.rank, placed.calls_back) == (Rank.ENTITLED, ())


def test_two_hundred_start_at_the_hour() -> None:
    written, before = text(50), AT_TWO - LEAST_LEAD
    held = held_at(before, written, 60, *(guest(str(n), f"gpu-{n}") for n in range(60)))
    rooms = reserved_room(held, before)
    away = {slice_id for room in rooms for slice_id in room.slices}
    assert len(away) == 50
    for slice_id in away:
        held.mark_called_back(slice_id, called_back=True)
    at_two = held.under(document(written).at(AT_TWO), AT_TWO, timedelta())
    placed = [ask(at_two, f"student-{n}", "course", "quarter", AT_TWO) for n in range(200)]
    assert all(each is not None and not each.calls_back for each in placed)
    assert {each.rank for each in placed if each is not None} == {Rank.ENTITLED}
    # One more is beyond what is reserved: it calls nobody back.
    assert ask(at_two, "student-200", "course", "quarter", AT_TWO) is None
