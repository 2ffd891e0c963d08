"""The CUDA errors that the simulated driver answers with, by the driver's own numbers."""

from enum import IntEnum
from typing import Final


class CudaCode(IntEnum):
    """The numbers of ``CUresult`` that can come back."""

    INVALID_VALUE = 1
    OUT_OF_MEMORY = 2
    NOT_INITIALIZED = 3
    DEVICE_UNAVAILABLE = 46
    NO_DEVICE = 100
    INVALID_DEVICE = 101
    ECC_UNCORRECTABLE = 214
    OPERATING_SYSTEM = 304
    INVALID_HANDLE = 400
    ILLEGAL_STATE = 401
    NOT_READY = 600
    ILLEGAL_ADDRESS = 700
    NOT_PERMITTED = 800
    NOT_SUPPORTED = 801


class SimulatedGpuError(Exception):
    """Root of what simulated GPUs raise; ``code`` is the driver's number."""

    code: CudaCode = CudaCode.INVALID_VALUE

    def __init__(self, message: str, code: CudaCode | None = None) -> None:
        super().__init__(message)
        if code is not None:
            self.code = code

    @property
    def message(self) -> str:
        """The text of the error, with its values."""
        return str(self.args[0])


class OutOfMemoryError(SimulatedGpuError):
    """The card has no room, or the slice's cap is reached."""

    code = CudaCode.OUT_OF_MEMORY


class ContextLostError(SimulatedGpuError):
    """Illegal memory access: this process's GPU state is lost for good."""

    code = CudaCode.ILLEGAL_ADDRESS


class DeviceGoneError(SimulatedGpuError):
    """The card, or the daemon that simulates it, does not answer any more."""

    code = CudaCode.NO_DEVICE


class NotPermittedError(SimulatedGpuError):
    """The request is for the daemon's own user and root alone."""

    code = CudaCode.NOT_PERMITTED


_CLASSES: Final[dict[CudaCode, type[SimulatedGpuError]]] = {
    each.code: each
    for each in (OutOfMemoryError, ContextLostError, DeviceGoneError, NotPermittedError)
}


def error_of(code: int, message: str) -> SimulatedGpuError:
    """Return the error of the most telling class for a driver's number."""
    known = CudaCode(code)
    return _CLASSES.get(known, SimulatedGpuError)(message, known)
