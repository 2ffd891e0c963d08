"""A process's use of the simulated GPU: its connections, what it holds, what its slice allows.

The cap is kept here, in the program itself, as PyTorch keeps ``per_process_memory_fraction``: it
covers what the program allocates, not its CUDA context.
"""

import contextlib
import itertools
import mmap
import os
import tempfile
import threading
from pathlib import Path
from typing import Final

from sublet_agent.simulated.protocol.connection import ThreadConnections
from sublet_agent.simulated.protocol.errors import (
    DeviceGoneError,
    OutOfMemoryError,
    SimulatedGpuError,
)

_MIB_PER_GIB: Final = 1024
_SHARED_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - where CUDA IPC leaves its mark


class Session:
    """The use of the simulated GPU by this process."""

    def __init__(self) -> None:
        path = os.environ.get("SUBLET_SIMULATED_SOCKET")
        if not path:
            message = (
                "there is no simulated GPU here: SUBLET_SIMULATED_SOCKET is not set "
                "(Sublet sets it in the servers that it gives a simulated slice)"
            )
            raise DeviceGoneError(message)
        self.pid: Final = os.getpid()
        self.gpu_id: Final = _chosen_gpu()
        self._named: Final = {"gpu_id": self.gpu_id, **_visible_gpus()}
        self.cap_mib: Final = _whole(os.environ.get("SUBLET_MEMORY_MIB"))
        self.handles: Final = itertools.count(1)
        self.held: Final[dict[int, int]] = {}
        self.abandoned: Final[list[int]] = []
        self.ipc_mark: mmap.mmap | None = None
        self._counting: Final = threading.Lock()
        self._connections: Final = ThreadConnections(path)
        hello = self._connections.ask("hello")
        bytes_per_mib = hello.get("bytes_per_mib")
        self.bytes_per_mib: Final = bytes_per_mib if isinstance(bytes_per_mib, int) else 1

    def ask(self, verb: str, **fields: object) -> dict[str, object]:
        """Make one call without bytes, and return its answer."""
        return self.exchange(verb, b"", **fields)[0]

    def exchange(
        self, verb: str, payload: bytes | memoryview, **fields: object
    ) -> tuple[dict[str, object], bytes]:
        """Make one call, after freeing what an interrupted one may have left; return its answer."""
        while self.abandoned:
            with contextlib.suppress(IndexError, SimulatedGpuError):
                self.free(self.abandoned.pop())
        return self._connections.request(verb, payload, **{**self._named, **fields})

    def obtain(self, verb: str, mib: int, **fields: object) -> tuple[int, dict[str, object]]:
        """Make a call that yields a buffer; return the buffer's handle and the answer.

        Where the call is interrupted, the buffer is freed.
        """
        handle = self._reserve(mib)
        try:
            return handle, self.ask(verb, handle=handle, mib=mib, **fields)
        except SimulatedGpuError:
            self.held.pop(handle)
            raise
        except BaseException:
            self.held.pop(handle)
            self.abandoned.append(handle)
            raise

    def free(self, handle: int) -> None:
        """Free a buffer; where that is interrupted, it is freed with the next call."""
        try:
            self._connections.request("free", b"", gpu_id=self.gpu_id, handle=handle)
        except SimulatedGpuError:
            raise
        except BaseException:
            self.abandoned.append(handle)
            raise

    def _reserve(self, mib: int) -> int:
        """Return a new buffer's handle, counted against the cap; ``OutOfMemoryError`` beyond it."""
        with self._counting:
            held = sum(list(self.held.values()))
            if self.cap_mib is not None and held + mib > self.cap_mib:
                message = (
                    f"simulated GPU out of memory: {mib / _MIB_PER_GIB:.2f} GiB asked for, "
                    f"{held / _MIB_PER_GIB:.2f} GiB in use, "
                    f"{self.cap_mib / _MIB_PER_GIB:.2f} GiB allowed for this slice"
                )
                raise OutOfMemoryError(message)
            handle = next(self.handles)
            self.held[handle] = mib
            return handle

    def mark_ipc(self) -> None:
        """Map a file as CUDA IPC does, so that ``/proc`` shows that memory is shared."""
        if self.ipc_mark is not None:
            return
        name = f"cuda.shm.{os.getuid():x}.{self.pid:x}."
        try:
            with tempfile.NamedTemporaryFile(prefix=name, dir=_SHARED_MEMORY) as mark:
                mark.truncate(mmap.PAGESIZE)
                self.ipc_mark = mmap.mmap(mark.fileno(), mmap.PAGESIZE)
        except OSError as error:
            message = (
                f"memory cannot be shared here: {_SHARED_MEMORY} is not writable ({error}), "
                "and without a mark there nobody could see that it is shared"
            )
            raise SimulatedGpuError(message) from error


def _visible_gpus() -> dict[str, str]:
    """Return the simulated cards that the environment lets the process see, if not all."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    return {"sees": visible} if visible.startswith("SIM-") else {}


def _chosen_gpu() -> str | None:
    """Return the card that the environment names, or ``None``."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")[0].strip()
    return os.environ.get("SUBLET_GPU_ID") or (visible if visible.startswith("SIM-") else None)


def _whole(text: str | None) -> int | None:
    return int(text) if text and text.isdigit() else None
