"""The checks of how a card is set up: a function from what it tells to what is wrong with that."""

from dataclasses import dataclass
from typing import Final

from sublet_quota.amounts.gpu_amounts import format_memory
from sublet_quota.names.ids import GpuId
from sublet_quota.reasons.fitness import Unfit, UnfitReason

from sublet_agent.devices.interface import ComputeMode, Device, DeviceError, GpuSetup
from sublet_agent.fitness.bad_drivers import what_is_reported

_NOT_TOLD: Final = "not told"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at, what was found, and why that is wrong, if it is."""

    what: str
    found: str
    reason: UnfitReason | None = None
    was_made: bool = True
    """Whether it was looked at, or tried, at all."""

    @property
    def word(self) -> str:
        """What the check came to, in a word or two."""
        if self.reason is not None:
            return "NOT FIT"
        return "ok" if self.was_made else "-"


def check_card(device: Device, gpu_id: GpuId) -> tuple[Check, ...]:
    """Return all checks of a card that only look: they take milliseconds, and change nothing."""
    return (*check_setup(device.setup(gpu_id)), *_check_readable(device, gpu_id))


def check_setup(setup: GpuSetup) -> tuple[Check, ...]:
    """Return the checks of how a card and its driver are set up."""
    return (_driver(setup), _kept_loaded(setup), _compute_mode(setup), _mps(setup))


def _driver(setup: GpuSetup) -> Check:
    what = "driver"
    if setup.driver is None:
        return Check(what, _NOT_TOLD, UnfitReason(Unfit.DRIVER, "its version is not told"))
    reported = what_is_reported(setup.driver)
    if reported is None:
        return Check(what, setup.driver)
    return Check(what, setup.driver, UnfitReason(Unfit.DRIVER, f"{setup.driver}: {reported}"))


def _kept_loaded(setup: GpuSetup) -> Check:
    what = "driver kept loaded"
    if setup.initialised:
        return Check(what, "by the agent")
    if setup.persistent:
        return Check(what, "by persistence mode")
    if setup.persistent is None:
        detail = "whether persistence mode is on is not told"
        return Check(what, _NOT_TOLD, UnfitReason(Unfit.DRIVER_UNLOADS, detail))
    return Check(what, "no", UnfitReason(Unfit.DRIVER_UNLOADS))


def _compute_mode(setup: GpuSetup) -> Check:
    what = "compute mode"
    match setup.compute_mode:
        case None:
            # Whoever is kept off the card by its mode is told so; nobody's work is lost by that.
            return Check(what, _NOT_TOLD)
        case ComputeMode.DEFAULT:
            return Check(what, setup.compute_mode.value)
        case ComputeMode.EXCLUSIVE | ComputeMode.PROHIBITED:
            mode = setup.compute_mode.value
            return Check(what, mode, UnfitReason(Unfit.EXCLUSIVE, f"it is {mode}"))


def _mps(setup: GpuSetup) -> Check:
    what = "MPS"
    if setup.mps is None:
        return Check(what, "does not run")
    return Check(what, setup.mps, UnfitReason(Unfit.MPS, setup.mps))


def _check_readable(device: Device, gpu_id: GpuId) -> tuple[Check, ...]:
    checks = []
    try:
        memory = device.memory(gpu_id)
        of_all = f"{format_memory(memory.free_mib)} of {format_memory(memory.total_mib)} free"
        checks.append(Check("memory", of_all))
    except DeviceError as error:
        checks.append(Check("memory", _NOT_TOLD, UnfitReason(Unfit.UNREADABLE, str(error))))
    try:
        device.processes(gpu_id)
        checks.append(Check("processes", "can be listed"))
    except DeviceError as error:
        checks.append(Check("processes", _NOT_TOLD, UnfitReason(Unfit.UNREADABLE, str(error))))
    return tuple(checks)
