"""Which of NVIDIA's cards a process sees is read in ``/proc``; what cannot be read is hidden."""

from pathlib import Path

import pytest
from sublet_agent.devices.checkpoint_device import permutation_of
from sublet_agent.devices.visible_cards import why_not_all
from sublet_quota.names.ids import GpuId
from sublet_quota.reasons.staying import Staying

PID = 4711
A, B, C = (GpuId(f"GPU-{each}") for each in "abc")


def a_process(folder: Path, *opened: str, environment: str = "HOME=/root") -> Path:
    """Make what ``/proc`` says of a process; returns the folder that stands for ``/proc``."""
    files = folder / str(PID) / "fd"
    files.mkdir(parents=True)
    for number, path in enumerate(opened):
        (files / str(number)).symlink_to(path)
    (folder / str(PID) / "environ").write_bytes(environment.encode() + b"\0")
    (folder / str(PID) / "status").write_text("Uid:\t0\t0\t0\t0\n")
    return folder


def test_who_has_opened_every_card_and_was_told_of_none_sees_all(tmp_path: Path) -> None:
    proc = a_process(tmp_path, "/dev/nvidiactl", "/dev/nvidia0", "/dev/nvidia1", "/dev/nvidia1")
    assert why_not_all(PID, 2, "hers", proc) is None


@pytest.mark.parametrize("value", ["GPU-a", "0,1", ""])
def test_who_was_told_which_cards_are_visible_does_not(tmp_path: Path, value: str) -> None:
    told = f"CUDA_VISIBLE_DEVICES={value}"
    proc = a_process(tmp_path, "/dev/nvidia0", "/dev/nvidia1", environment=told)
    reason = why_not_all(PID, 2, "hers", proc)
    assert reason is not None
    assert reason.why is Staying.SEES_SOME_CARDS


def test_who_has_not_opened_every_card_does_not(tmp_path: Path) -> None:
    proc = a_process(tmp_path, "/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/nvidia0")
    reason = why_not_all(PID, 2, "hers", proc)
    assert reason is not None
    assert "has opened 1 of 2" in reason.clause


def test_whom_nobody_can_read_stays(tmp_path: Path) -> None:
    reason = why_not_all(PID, 2, "hers", tmp_path)
    assert reason is not None
    assert reason.why is Staying.UNREADABLE


@pytest.mark.parametrize(
    ("mapping", "everywhere"),
    [
        ({}, {A: A, B: B, C: C}),
        ({A: B}, {A: B, B: A, C: C}),
        ({C: A}, {A: C, B: B, C: A}),
        ({A: B, B: C}, {A: B, B: C, C: A}),
        ({A: B, B: A}, {A: B, B: A, C: C}),
    ],
)
def test_a_mapping_names_every_card_once_on_both_sides(
    mapping: dict[GpuId, GpuId], everywhere: dict[GpuId, GpuId]
) -> None:
    assert permutation_of([A, B, C], mapping) == everywhere
