"""The checkpoint API of NVIDIA's driver, by ``cuda.bindings``: codes in, codes out.

``cuInit`` is called once, without a context: restoring wants persistence mode or that, says NVIDIA,
and a process that has only done that holds no memory of a card.
"""

import ctypes
import importlib
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from sublet_agent.driver_helper.messages import Operation

LEAST_DRIVER: Final = (12, 8)
"""The CUDA version of the first driver with the checkpoint API (570)."""
FIRST_WITH_MAPPING: Final = (13, 0)
"""The CUDA version of the first driver that restores on other cards (580)."""
_NEEDED: Final = (
    "cuCheckpointProcessGetState",
    "cuCheckpointProcessLock",
    "cuCheckpointProcessCheckpoint",
    "cuCheckpointProcessRestore",
    "cuCheckpointProcessUnlock",
    "CUcheckpointLockArgs",
)
_OUTSIDE_OF_ENUM: Final = re.compile(r"^(\d+) is not a valid")
_NOT_FOUND: Final = 500
_NOT_SUPPORTED: Final = 801


class NoDriverError(Exception):
    """The driver, or the package that speaks to it, cannot be used here; the message says why."""


class CudaDriver:
    """The driver of this machine."""

    def __init__(self) -> None:
        try:
            driver: Any = importlib.import_module("cuda.bindings.driver")
        except ImportError as error:
            missing = error.name or "cuda.bindings"
            message = (
                f"the Python module {missing} cannot be imported ({error}): install "
                "`sublet[nvidia]`, which brings the package cuda-bindings"
            )
            raise NoDriverError(message) from error
        _require_checkpoint_calls(driver)
        self._driver: Final = driver
        self.version: Final = _version(driver)
        """The CUDA version that the driver speaks, such as (13, 0)."""
        self.init_code: Final = _code(driver.cuInit, 0)
        """The ``CUresult`` of ``cuInit``: 0 where it worked."""

    def state(self, pid: int) -> tuple[int, int]:
        """Return a ``CUresult``, and the number of a process's state where that is 0."""
        driver = self._driver
        try:
            result = driver.cuCheckpointProcessGetState(pid)
        except ValueError as error:
            # A state that is newer than the bindings.
            return 0, _number(error)
        except RuntimeError:
            return _NOT_FOUND, 0
        code = int(result[0])
        return code, int(result[1]) if code == 0 else 0

    def operate(
        self, operation: Operation, pid: int, timeout_ms: int, mapping: Mapping[str, str]
    ) -> int:
        """Make one call of the checkpoint API; return its ``CUresult``."""
        driver = self._driver
        match operation:
            case Operation.LOCK:
                arguments = driver.CUcheckpointLockArgs()
                arguments.timeoutMs = timeout_ms
                return _code(driver.cuCheckpointProcessLock, pid, arguments)
            case Operation.CHECKPOINT:
                return _code(driver.cuCheckpointProcessCheckpoint, pid, None)
            case Operation.RESTORE:
                return self._restore(pid, mapping)
            case Operation.UNLOCK:
                return _code(driver.cuCheckpointProcessUnlock, pid, None)
            case Operation.STATE:
                return self.state(pid)[0]

    def name_of(self, code: int) -> str:
        """Return the driver's name of a ``CUresult``."""
        try:
            return str(self._driver.CUresult(code).name)
        except ValueError:
            return "an error that is newer than cuda-bindings here"

    def _restore(self, pid: int, mapping: Mapping[str, str]) -> int:
        driver = self._driver
        if not mapping:
            return _code(driver.cuCheckpointProcessRestore, pid, None)
        if self.version < FIRST_WITH_MAPPING or not hasattr(driver, "CUcheckpointGpuPair"):
            # An older driver would not read the pairs, and nobody knows what it makes of them.
            return _NOT_SUPPORTED
        # The structures point to these bytes, which must be there until the call is over.
        kept: list[Any] = []
        pairs = []
        for old, new in mapping.items():
            pair = driver.CUcheckpointGpuPair()
            pair.oldUuid = _uuid(driver, old, kept)
            pair.newUuid = _uuid(driver, new, kept)
            pairs.append(pair)
        arguments = driver.CUcheckpointRestoreArgs()
        arguments.gpuPairs = pairs
        arguments.gpuPairsCount = len(pairs)
        return _code(driver.cuCheckpointProcessRestore, pid, arguments)


def _require_checkpoint_calls(driver: Any) -> None:
    """Refuse bindings that could suspend and not bring back: 13.0.0 and 13.0.1 have no restore."""
    missing = [name for name in _NEEDED if not hasattr(driver, name)]
    if missing:
        message = (
            f"the package cuda-bindings here has no {missing[0]}: install "
            "`sublet[nvidia]`, which brings a version that has"
        )
        raise NoDriverError(message)


def _code(call: Callable[..., Any], *arguments: object) -> int:
    try:
        return int(call(*arguments)[0])
    except ValueError as error:
        # A result that is newer than the bindings.
        return _number(error)
    except RuntimeError:
        # The driver is older than the function.
        return _NOT_FOUND


def _number(error: ValueError) -> int:
    found = _OUTSIDE_OF_ENUM.match(str(error))
    if found is None:
        raise error
    return int(found[1])


def _uuid(driver: Any, text: str, kept: list[Any]) -> Any:
    raw = ctypes.create_string_buffer(bytes.fromhex(text.replace("-", "")), 16)
    kept.append(raw)
    return driver.CUuuid(ctypes.addressof(raw))


def _version(driver: Any) -> tuple[int, int]:
    try:
        result, version = driver.cuDriverGetVersion()
    except RuntimeError as error:
        message = f"the NVIDIA driver's library cannot be used: {error}"
        raise NoDriverError(message) from error
    if int(result) != 0:
        # As the toolkit's stub of the library answers.
        told = f"{result.name} (error {int(result)})"
        message = f"the NVIDIA driver does not tell its version: {told}"
        raise NoDriverError(message)
    found = (version // 1000, version % 1000 // 10)
    if found < LEAST_DRIVER:
        message = (
            f"the NVIDIA driver speaks CUDA {found[0]}.{found[1]}; suspending needs "
            f"{LEAST_DRIVER[0]}.{LEAST_DRIVER[1]} or newer (driver 570)"
        )
        raise NoDriverError(message)
    return found
