"""NVML, by the module ``pynvml``: its cards by their ids, and its errors in the interface's words.

``pynvml`` raises ``NVMLError`` with a number for what NVML answers, and for a function that the
driver's library lacks, in some calls, an ``NVMLLibraryMismatchError`` that is none.
"""

import importlib
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any, Final

from sublet_quota.names.ids import GpuId

from sublet_agent.devices.interface import DeviceError, GpuGoneError

_TRIES: Final = 3
"""How often a list is asked for that has grown beyond the room for it between two calls."""


class NvmlError(DeviceError):
    """NVML refused to answer, for a reason that has a number."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


class Nvml:
    """NVML of this machine, started."""

    def __init__(self) -> None:
        try:
            self.module: Final[Any] = importlib.import_module("pynvml")
        except ImportError as error:
            message = "NVIDIA cards need the packages of `sublet[nvidia]`: nvidia-ml-py is missing"
            raise DeviceError(message) from error
        self._handles: Final[dict[GpuId, Any]] = {}
        with self.translated("NVML does not start"):
            self.module.nvmlInit()

    def add(self, gpu_id: GpuId, handle: Any) -> None:
        """Take a card over, by its handle."""
        self._handles[gpu_id] = handle

    def handles(self) -> tuple[tuple[GpuId, Any], ...]:
        """Return the cards with their handles."""
        return tuple(self._handles.items())

    def ask(self, gpu_id: GpuId, ask: Callable[[Any], Any]) -> Any:
        """Return what NVML answers of a card; ``NvmlError`` or ``GpuGoneError``."""
        handle = self._handles.get(gpu_id)
        if handle is None:
            known = ", ".join(self._handles) or "none"
            message = f"there is no card {gpu_id}; there are {known}"
            raise DeviceError(message)
        for _ in range(_TRIES):
            try:
                with self.translated(f"card {gpu_id} does not answer"):
                    return ask(handle)
            except NvmlError as error:
                if error.code != self.module.NVML_ERROR_INSUFFICIENT_SIZE:
                    raise
                grown = error
        raise grown

    def ask_or(
        self, gpu_id: GpuId, ask: Callable[[Any], Any], codes: Collection[int], otherwise: Any
    ) -> Any:
        """Return what NVML answers of a card; ``otherwise`` for an error with one of ``codes``."""
        try:
            return self.ask(gpu_id, ask)
        except NvmlError as error:
            if error.code in codes:
                return otherwise
            raise

    @contextmanager
    def translated(self, what: str) -> Iterator[None]:
        """Raise NVML's errors as ``NvmlError`` or ``GpuGoneError``, with what did not work."""
        nvml = self.module
        try:
            yield
        except nvml.NVMLError as error:
            message = f"{what}: {error}"
            if error.value in {nvml.NVML_ERROR_GPU_IS_LOST, nvml.NVML_ERROR_RESET_REQUIRED}:
                raise GpuGoneError(message) from error
            raise NvmlError(message, error.value) from error
        except nvml.NVMLLibraryMismatchError as error:
            message = (
                f"{what}: the driver's NVML has no such function; it is older than nvidia-ml-py"
            )
            raise NvmlError(message, nvml.NVML_ERROR_FUNCTION_NOT_FOUND) from error


def text_of(value: str | bytes) -> str:
    """Return a text that NVML gives as such or as bytes."""
    return value.decode() if isinstance(value, bytes) else value
