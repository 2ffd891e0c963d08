"""Cards of the stand-in for NVIDIA's driver are checked and tried through NVIDIA's own packages."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from sublet_agent.fitness.node_check import CheckedNode, check_node
from sublet_agent.fitness.trial import TrialLimits
from sublet_quota.reasons.fitness import Unfit

from tests.support.nvidia_stand_in.stand_in import ComputeMode, NvidiaStandIn
from tests.support.trials import LIMITS

EVERY_BYTE = 2**20


@pytest.fixture
def stand_in(tmp_path: Path) -> Iterator[NvidiaStandIn]:
    options = {"cards": 2, "mib_per_gib": 16, "bytes_per_mib": EVERY_BYTE}
    with NvidiaStandIn.running(tmp_path, **options) as made:
        yield made


def checked(stand_in: NvidiaStandIn, limits: TrialLimits | None = LIMITS) -> CheckedNode:
    with stand_in.device() as device:
        return check_node(device, limits)


def test_cards_that_are_fit_were_tried_by_cuda(stand_in: NvidiaStandIn) -> None:
    node = checked(stand_in)
    assert node.fit, node.text
    assert node.text.count("8 MiB, unchanged, in ") == 2
    assert "SIMULATED" not in node.text
    restored = {call["first"] for call in stand_in.calls("cuCheckpointProcessRestore")}
    assert len(restored) == 2
    assert stand_in.truth().processes == ()


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda s: s.card(0, compute_mode=ComputeMode.EXCLUSIVE_PROCESS), Unfit.EXCLUSIVE),
        (lambda s: s.card(0, mig=True), Unfit.SPLIT),
        (lambda s: s.card(0, memory_unknown=True), Unfit.CANARY_NOT_MOVED),
        (lambda s: s.administration.corrupt_restore(), Unfit.CANARY_CHANGED),
        (lambda s: s.answer("cuCheckpointProcessCheckpoint", 801, times=1), Unfit.CANARY_NOT_MOVED),
        (lambda s: s.answer("cuMemAlloc", 2, times=1), Unfit.CANARY_NOT_STARTED),
    ],
)
def test_a_card_that_is_not_is_told(
    stand_in: NvidiaStandIn, change: Callable[[NvidiaStandIn], object], why: Unfit
) -> None:
    change(stand_in)
    node = checked(stand_in)
    assert [[each.why for each in card.reasons] for card in node.cards] == [[why], []], node.text


def test_without_persistence_mode_the_helpers_cu_init_keeps_the_driver_loaded(
    stand_in: NvidiaStandIn,
) -> None:
    stand_in.card(0, persistence=False)
    node = checked(stand_in)
    assert node.fit, node.text
    assert "driver kept loaded  by the agent" in node.text


def test_drivers_with_open_reports_are_known_by_what_nvml_tells(stand_in: NvidiaStandIn) -> None:
    stand_in.versions("595.71.05", 13020)
    node = checked(stand_in)
    assert {each.why for card in node.cards for each in card.reasons} == {Unfit.DRIVER}
    assert "595.71.05" in node.text


def test_what_the_driver_says_of_a_refusal_is_told(stand_in: NvidiaStandIn) -> None:
    stand_in.answer("cuMemAlloc", 2, times=1)
    told = checked(stand_in).text
    assert "cuMemAlloc_v2 answers with error 2 (CUDA_ERROR_OUT_OF_MEMORY)" in told


@dataclass(frozen=True)
class OnceTheDriverIsAsked(TrialLimits):
    """Limits whose time begins with the call, however long a canary takes to start."""

    is_asked: Callable[[], object] = bool

    @property
    def most_s(self) -> float:
        deadline = time.monotonic() + self.start_s
        while not self.is_asked() and time.monotonic() < deadline:
            time.sleep(0.01)
        return 2 * self.move_s


def test_a_driver_that_never_answers_is_given_up(stand_in: NvidiaStandIn) -> None:
    stand_in.card(1, mig=True)
    stand_in.hold("cuCheckpointProcessRestore")
    limits = OnceTheDriverIsAsked(
        start_s=60, move_s=1, is_asked=lambda: stand_in.calls("cuCheckpointProcessRestore")
    )
    try:
        node = checked(stand_in, limits)
    finally:
        stand_in.release()
    assert node.cards[0].reasons[0].why is Unfit.CANARY_STUCK
