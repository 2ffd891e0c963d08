"""What is decided on a calm GPU without a plan of seats is what the plan says."""

from dataclasses import replace

from hypothesis import given, settings
from sublet_quota.life_cycles.slice_states import SliceState
from sublet_quota.residency.calm import decide_calm
from sublet_quota.residency.policy import decide, decide_by_plan
from sublet_quota.residency.snapshot import GpuSnapshot

from tests.quota.residency.any_snapshot import numbered, snapshots


@settings(max_examples=300)
@given(snapshots())
def test_any_gpu_has_the_answer_of_the_plan(snapshot: GpuSnapshot) -> None:
    assert decide(snapshot) == decide_by_plan(snapshot)


def _nearly_calm(snapshot: GpuSnapshot, number: int) -> GpuSnapshot:
    """The same slices with all that is theirs on the GPU, mostly with open gates."""
    slices = []
    for at, view in enumerate(snapshot.slices):
        opens = view.active and (number + at) % 5 > 0 and view.turn_since is None
        held_back = view.is_job and number % 9 == at
        here = replace(view, state=SliceState.RESIDENT, image_mib=0, held_back=held_back)
        if opens:
            here = replace(here, gate_open=True, turn_since=view.waiting_since, waiting_since=None)
        slices.append(here)
    reserved_mib = (0, 0, 0, 20)[number % 4]
    return replace(snapshot, slices=tuple(slices), transition=None, reserved_mib=reserved_mib)


def test_gpus_that_are_nearly_calm_have_the_answer_of_the_plan_and_many_are_calm() -> None:
    found: dict[bool | None, int] = {None: 0, False: 0, True: 0}
    for number in range(4000):
        snapshot = _nearly_calm(numbered(number), number)
        calm = decide_calm(snapshot)
        found[None if calm is None else bool(calm.actions)] += 1
        assert calm in (None, decide_by_plan(snapshot)), number
    assert min(found.values()) > 30
