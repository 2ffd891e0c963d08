"""The picture of the story: a slice's bar is as long as it did one thing."""

from typing import Any

import pytest
from sublet_hub.one_machine.demo.timeline import parts_of_time, stretches_of


def sample(at_s: float, **states: str) -> dict[str, Any]:
    slices = [
        {
            "slice_id": slice_id,
            "holder": "notebook",
            "state": state,
            "active": False,
            "gate_open": True,
            "moving": False,
        }
        for slice_id, state in states.items()
    ]
    return {"at_s": at_s, "slices": slices}


def drawn(*samples: dict[str, Any]) -> list[tuple[str, str, float, float]]:
    return [(s.slice_id, s.look, s.from_s, s.until_s) for s in stretches_of(samples)]


def test_what_a_slice_goes_on_doing_is_one_stretch_to_the_sample_in_which_it_does_another():
    assert drawn(
        sample(0, a="resident", b="suspended"),
        sample(1, a="resident", b="suspended"),
        sample(2, a="paused", b="suspended"),
        sample(3, a="paused", b="suspended"),
    ) == [
        ("a", "idle on the GPU", 0, 2),
        ("b", "suspended", 0, 3),
        ("a", "paused", 2, 3),
    ]


def test_a_slice_that_is_not_there_for_a_while_has_no_stretch_then():
    assert drawn(
        sample(0, a="resident"), sample(1), sample(2, a="resident"), sample(3, a="resident")
    ) == [("a", "idle on the GPU", 0, 1), ("a", "idle on the GPU", 2, 3)]


def used(at_s: float, **busy_ms: int) -> dict[str, Any]:
    slices = [{"slice_id": name, "gpu_busy_ms": ms} for name, ms in busy_ms.items()]
    return {"at_s": at_s, "slices": slices}


def test_the_parts_of_time_show_who_had_how_much_of_the_last_two_seconds():
    samples = [used(n / 4, a=750 * (n // 4), b=250 * (n // 4)) for n in range(41)]
    times, (a, b) = parts_of_time(samples, ["a", "b"])
    assert (times[0], times[-1]) == (2, 10)
    assert a[::4] == [0.75] * 9
    assert b[::4] == [0.25] * 9


def test_who_comes_or_goes_has_no_part_before_and_none_after():
    samples = [used(0, a=0), used(2, a=1000, c=500), used(4, c=1500)]
    times, (a, c) = parts_of_time(samples, ["a", "c"])
    assert times == [2, 4]
    assert a == pytest.approx([0.5, 0])
    assert c == pytest.approx([0.25, 0.5])


def test_a_story_of_no_samples_has_no_parts():
    assert parts_of_time([], ["a"]) == ([], [[]])
