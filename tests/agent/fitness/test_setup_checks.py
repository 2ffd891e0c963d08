"""What is wrong with how a card is set up, from what it tells."""

from dataclasses import replace

import pytest
from sublet_agent.devices.interface import ComputeMode, DeviceError, GpuMemory, GpuSetup
from sublet_agent.fitness.bad_drivers import BAD_DRIVERS, what_is_reported
from sublet_agent.fitness.setup_checks import check_card, check_setup
from sublet_quota.reasons.fitness import Unfit

from tests.support.fake_device import GPU, FakeDevice

WELL = GpuSetup(
    driver="580.159.04",
    persistent=True,
    initialised=False,
    compute_mode=ComputeMode.DEFAULT,
    mps=None,
)


def reasons(setup: GpuSetup) -> list[Unfit]:
    return [check.reason.why for check in check_setup(setup) if check.reason is not None]


def test_nothing_is_wrong_with_a_card_that_is_set_up_well() -> None:
    assert reasons(WELL) == []
    assert {check.word for check in check_setup(WELL)} == {"ok"}


@pytest.mark.parametrize(
    ("setup", "wrong"),
    [
        ({"driver": "595.71.05"}, Unfit.DRIVER),
        ({"driver": "610.57.04"}, Unfit.DRIVER),
        ({"driver": None}, Unfit.DRIVER),
        ({"persistent": False}, Unfit.DRIVER_UNLOADS),
        ({"persistent": None}, Unfit.DRIVER_UNLOADS),
        ({"compute_mode": ComputeMode.EXCLUSIVE}, Unfit.EXCLUSIVE),
        ({"compute_mode": ComputeMode.PROHIBITED}, Unfit.EXCLUSIVE),
        ({"mps": "process 7, nvidia-cuda-mps"}, Unfit.MPS),
    ],
)
def test_each_thing_that_is_wrong_has_its_reason(setup: dict[str, object], wrong: Unfit) -> None:
    assert reasons(replace(WELL, **setup)) == [wrong]


def test_all_that_is_wrong_is_told() -> None:
    told = reasons(GpuSetup("595.71", None, initialised=False, compute_mode=None, mps="it runs"))
    assert told == [Unfit.DRIVER, Unfit.DRIVER_UNLOADS, Unfit.MPS]


@pytest.mark.parametrize("persistent", [False, None])
def test_a_driver_that_the_agent_itself_keeps_loaded_needs_no_persistence_mode(
    *, persistent: bool | None
) -> None:
    assert reasons(replace(WELL, persistent=persistent, initialised=True)) == []


@pytest.mark.parametrize(
    ("driver", "known"),
    [("595.71", True), ("595.71.05", True), ("595.7", False), ("595.99.02", False), ("", False)],
)
def test_a_version_is_known_by_its_first_two_numbers(driver: str, *, known: bool) -> None:
    assert (what_is_reported(driver) is not None) is known


@pytest.mark.parametrize("version", BAD_DRIVERS)
def test_a_bad_version_has_two_numbers_and_says_what_is_reported(version: str) -> None:
    assert version.count(".") == 1
    assert what_is_reported(version) == BAD_DRIVERS[version]


class SilentDevice(FakeDevice):
    def memory(self, gpu_id: object) -> GpuMemory:
        message = f"no memory of {gpu_id}"
        raise DeviceError(message)

    def processes(self, gpu_id: object) -> list[object]:
        message = f"no processes of {gpu_id}"
        raise DeviceError(message)


def test_a_card_that_cannot_say_what_is_on_it_is_not_fit() -> None:
    found = [check.reason for check in check_card(SilentDevice(), GPU) if check.reason is not None]
    assert [(each.why, each.detail) for each in found] == [
        (Unfit.UNREADABLE, f"no memory of {GPU}"),
        (Unfit.UNREADABLE, f"no processes of {GPU}"),
    ]


def test_a_card_that_can_is_told_with_its_room() -> None:
    found = {check.what: check.found for check in check_card(FakeDevice(), GPU)}
    assert found["memory"] == "80 GiB of 80 GiB free"
