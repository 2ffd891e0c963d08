"""The picture of the story: a slice's bar is as long as it did one thing."""

from typing import Any

from sublet_hub.one_machine.demo.timeline import stretches_of


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
