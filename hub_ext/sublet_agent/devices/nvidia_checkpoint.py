"""The checkpoint API of NVIDIA's driver, by ``cuda.core.checkpoint``; translates its errors.

``cuda.core`` tells errors by text alone: ``CUDAError`` begins with the driver's name of the error,
and "not supported" comes as a ``RuntimeError`` that blames the driver's age. That the driver is
new enough is checked once, beforehand, so that later it can only mean this process.
"""

import importlib
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

from sublet_quota.names.ids import GpuId

from sublet_agent.devices.checkpoint_device import ERROR_OF_CODE, DriverCall
from sublet_agent.devices.interface import DeviceError, NotSupportedError

LEAST_DRIVER: Final = (12, 8)
"""The CUDA version of the first driver with the checkpoint API (570)."""
_ERROR_NAME: Final = re.compile(r"^(CUDA_ERROR_\w+)")
_NOT_SUPPORTED: Final = "not supported by the installed NVIDIA driver"
_UNDER_WAY: Final = re.compile(r"Unknown CUDA checkpoint process state: (\d+)")
_LOOK_AGAIN_S: Final = 0.005
_UNDER_WAY_S: Final = 120.0
_UUID_PREFIX: Final = "GPU-"
Answer = TypeVar("Answer")


class CudaCheckpoint:
    """The checkpoint API of the driver for other processes, without a CUDA context itself."""

    def __init__(self, gpu_ids: Callable[[], Sequence[GpuId]]) -> None:
        try:
            driver = importlib.import_module("cuda.bindings.driver")
            checkpoint = importlib.import_module("cuda.core").checkpoint
        except ImportError as error:
            message = "NVIDIA cards need the packages of `sublet[nvidia]`: cuda-core is missing"
            raise DeviceError(message) from error
        self._process: Final[Callable[[int], Any]] = checkpoint.Process
        self._codes: Final[Mapping[str, int]] = {each.name: int(each) for each in driver.CUresult}
        self._gpu_ids: Final = gpu_ids
        self._first: Final = threading.Lock()
        _check_driver(driver)

    def operate(
        self, call: DriverCall, pid: int, timeout_ms: int, mapping: Mapping[GpuId, GpuId]
    ) -> None:
        """Make one call of the checkpoint API; raise the error of ``ERROR_OF_CODE``."""
        process = self._process(pid)
        match call:
            case DriverCall.LOCK:
                self._translate(call, pid, lambda: process.lock(timeout_ms=timeout_ms))
            case DriverCall.CHECKPOINT:
                self._translate(call, pid, process.checkpoint)
            case DriverCall.RESTORE:
                uuids = self._all_uuids(mapping) if mapping else None
                self._translate(call, pid, lambda: process.restore(gpu_mapping=uuids))
            case DriverCall.UNLOCK:
                self._translate(call, pid, process.unlock)

    def state_word(self, pid: int) -> str:
        """Return the process's state in the driver's words, after the end of a move under way."""
        deadline = time.monotonic() + _UNDER_WAY_S
        while True:
            try:
                return str(self._translate("state", pid, lambda: self._process(pid).state))
            except _UnderWayError as error:
                if time.monotonic() > deadline:
                    message = f"the driver still moves process {pid} after {_UNDER_WAY_S:.0f} s"
                    raise DeviceError(message) from error
                time.sleep(_LOOK_AGAIN_S)

    def _translate(self, what: str, pid: int, act: Callable[[], Answer]) -> Answer:
        try:
            return act()
        except RuntimeError as error:
            text = str(error)
            if _UNDER_WAY.search(text):
                raise _UnderWayError(text) from error
            if _NOT_SUPPORTED in text:
                message = f"{what} of process {pid} is not supported"
                raise NotSupportedError(message) from error
            message = f"{what} of process {pid} failed: {text}"
            raise DeviceError(message) from error
        except Exception as error:
            named = _ERROR_NAME.match(str(error))
            if named is None:
                message = f"{what} of process {pid} failed: {error!r}"
                raise DeviceError(message) from error
            code = self._codes.get(named[1], 0)
            message = f"{what} of process {pid} failed: {named[1]} (error {code})"
            raise ERROR_OF_CODE.get(code, DeviceError)(message) from error

    def _all_uuids(self, mapping: Mapping[GpuId, GpuId]) -> dict[str, str]:
        """Return where every card goes: the driver asks that of those that stay, too."""
        everywhere = {gpu_id: gpu_id for gpu_id in self._gpu_ids()} | dict(mapping)
        return {_uuid(old): _uuid(new) for old, new in everywhere.items()}


class _UnderWayError(Exception):
    """A checkpoint or restore of the process has begun and not ended."""


def _uuid(gpu_id: GpuId) -> str:
    return gpu_id.removeprefix(_UUID_PREFIX)


def _check_driver(driver: Any) -> None:
    """Refuse a driver without the checkpoint API, once, with its version."""
    try:
        result, version = driver.cuDriverGetVersion()
    except RuntimeError as error:
        message = f"the NVIDIA driver's library cannot be used: {error}"
        raise DeviceError(message) from error
    found = (version // 1000, version % 1000 // 10)
    if int(result) != 0 or found < LEAST_DRIVER:
        message = (
            f"the NVIDIA driver speaks CUDA {found[0]}.{found[1]}; suspending needs "
            f"{LEAST_DRIVER[0]}.{LEAST_DRIVER[1]} or newer (driver 570)"
        )
        raise DeviceError(message)
