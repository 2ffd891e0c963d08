"""What is kept for a reservation is no room for others: not told as free, nor counted on."""

import pytest
from sublet_quota.admission.slice_request import RequestedSlice
from sublet_quota.holdings.gpu_load import GpuFacts, Holding
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.names.ids import GpuId, SliceId
from sublet_quota.placement.called_back import back_to_their_place
from sublet_quota.placement.other_card import card_in_place_of
from sublet_quota.placement.slice_placement import Placement, decide_slice
from sublet_quota.reasons.helping import HelpKind
from sublet_quota.reasons.refusal import Refusal

from tests.support.quota_cases import a_reservation_of, gpu, holdings, notebook, part

TEXT = """
gpu_types: {H100: {match: "*H100*"}}
pools: [{name: interactive, memory_overcommit: 1, compute_overcommit: 1}]
sizes:
  - {name: quarter, memory: 1/4, compute: 1/4}
  - {name: half, memory: 1/2, compute: 1/2}
  - {name: whole, memory: 1, compute: 1}
everyone: {limit: {slices: unlimited}}
groups: {course: {groups: {tutors: {}}}, guests: {}}
"""
TWO = (gpu("kept"), gpu("other", index=1))


def held_with(*entries: GpuFacts | Holding) -> Holdings:
    """Two cards, of which one is kept for the course."""
    held = holdings(TEXT, *TWO, *entries)
    held.kept_cards = {GpuId("kept"): a_reservation_of("course")}
    return held


def guest(name: str, on: str, of_a_card: float, owner: str = "ada", **more: object) -> Holding:
    return notebook(name, owner, part(of_a_card), on, group="guests", **more)


def refused(held: Holdings, size: str, owner: str = "ada", group: str = "guests") -> Refusal:
    answer = decide_slice(held, RequestedSlice(owner, (group,), size=size))
    assert isinstance(answer, Refusal)
    return answer


def test_it_is_not_told_as_free() -> None:
    answer = refused(held_with(guest("s", "other", 0.75)), "half")
    assert answer.numbers["free_mib"] == pytest.approx(80_896 / 4, abs=1)


def test_that_somebody_stops_there_is_not_advised() -> None:
    held = held_with(guest("s", "kept", 0.5), guest("t", "other", 1, "eve"))
    kinds = {each.kind for each in refused(held, "half").helps}
    assert HelpKind.STOP_ONE not in kinds
    held.remove(SliceId("s"))
    refused(held, "half")


def test_what_was_called_back_there_does_not_come_back_but_for_whom_it_is_kept() -> None:
    held = held_with(guest("s", "kept", 0.5, called_back=True), guest("t", "other", 0.5))
    held.put(notebook("c", "cal", part(0.5), "kept", group="course", called_back=True))
    assert back_to_their_place(held) == ("c",)
    held.kept_cards = {}
    assert set(back_to_their_place(held)) == {"c", "s"}


def test_nothing_is_moved_there_from_a_card_that_fails() -> None:
    held = held_with(guest("s", "broken", 0.5), gpu("broken", index=2, closed="XID 79"))
    assert card_in_place_of(held, SliceId("s")) == "other"
    held.put(guest("t", "other", 1, "eve"))
    assert card_in_place_of(held, SliceId("s")) is None


def test_those_in_a_group_of_the_reservation_s_have_it_early_too() -> None:
    held = held_with(guest("t", "other", 1, "eve"))
    answer = decide_slice(held, RequestedSlice("tom", ("tutors",), size="half"))
    assert isinstance(answer, Placement)
    assert answer.gpu_id == "kept"
    refused(held, "half")
