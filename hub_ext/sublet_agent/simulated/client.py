"""The simulated GPU for notebooks and jobs, in place of CUDA. It is simulated, and says so.

    import sublet_agent.simulated.client as gpu

    buffer = gpu.allocate(gib=20)
    buffer.fill(seed=7)
    gpu.compute(seconds=0.2)
    buffer.sha256()

The bytes are real, at a scale (``gpu.scale()``): with 1024, a simulated GiB is a real MiB. Calls
block while the process is paused or suspended, and go on afterwards; interrupting one is fine.
Every thread may call; a forked child is a process of its own, with a context of its own.
"""

import atexit
import math
import os
import threading
from dataclasses import dataclass
from typing import Final

from sublet_agent.simulated.protocol.errors import (
    ContextLostError,
    DeviceGoneError,
    OutOfMemoryError,
    SimulatedGpuError,
)
from sublet_agent.simulated.protocol.wire import MOST_PAYLOAD_BYTES
from sublet_agent.simulated.session import Session

__all__ = [
    "Buffer",
    "ContextLostError",
    "DeviceGoneError",
    "MemoryInfo",
    "OutOfMemoryError",
    "SimulatedGpuError",
    "allocate",
    "allocate_managed",
    "compute",
    "gpu_name",
    "is_available",
    "join_mps",
    "launch",
    "launch_endless_kernel",
    "memory_info",
    "open_shared",
    "reset",
    "scale",
    "simulated",
    "synchronize",
]

simulated: Final = True
"""Whether the GPU is simulated: always, nothing here is a real one."""
_MIB_PER_GIB: Final = 1024
_BYTES_PER_MIB: Final = 1024 * 1024
_GRANULE_MIB: Final = 2


@dataclass(frozen=True, slots=True)
class MemoryInfo:
    """The card's memory and this process's part of it, in simulated MiB."""

    free_mib: int
    total_mib: int
    held_mib: int
    gpu_id: str


_lock: Final = threading.Lock()
_current: Session | None = None


def _session() -> Session:
    global _current  # noqa: PLW0603 - one GPU context a process, as with CUDA
    known = _current
    if known is not None and known.pid == os.getpid():
        return known
    with _lock:
        if _current is None or _current.pid != os.getpid():
            _current = Session()
        return _current


def _after_fork() -> None:
    global _lock, _current  # noqa: PLW0603 - the parent's lock may be held by one of its threads
    _lock = threading.Lock()  # type: ignore[misc]
    _current = None


os.register_at_fork(after_in_child=_after_fork)


class Buffer:
    """Memory on the simulated GPU."""

    def __init__(self, session: Session, handle: int, mib: int, length: int) -> None:
        self._session = session
        self._handle = handle
        self.mib: Final = mib
        self.length: Final = length
        """The number of real bytes that can be read and written."""

    def __repr__(self) -> str:
        """Return a text that says that the buffer is simulated."""
        return f"<simulated GPU buffer of {self.mib} MiB ({self.length} real bytes)>"

    def __len__(self) -> int:
        """Return the number of real bytes."""
        return self.length

    def fill(self, seed: int) -> str:
        """Fill with bytes that follow from ``seed``; return their SHA-256."""
        return str(self._ask("fill", seed=seed)["sha256"])

    def sha256(self) -> str:
        """Return the SHA-256 of the bytes, hashed where they are."""
        return str(self._ask("sha256")["sha256"])

    def write(self, offset: int, data: bytes | bytearray | memoryview) -> None:
        """Copy real bytes to ``offset``."""
        view = memoryview(data).cast("B")
        self._check(offset, len(view))
        for start in range(0, len(view), MOST_PAYLOAD_BYTES):
            piece = view[start : start + MOST_PAYLOAD_BYTES]
            self._exchange("write", piece, offset=offset + start)

    def read(self, offset: int = 0, length: int | None = None) -> bytes:
        """Return a copy of real bytes from ``offset``, by default of all that follow."""
        wanted = self.length - offset if length is None else length
        self._check(offset, wanted)
        return b"".join(
            self._exchange(
                "read",
                b"",
                offset=offset + start,
                length=min(MOST_PAYLOAD_BYTES, wanted - start),
            )[1]
            for start in range(0, wanted, MOST_PAYLOAD_BYTES)
        )

    def share(self) -> str:
        """Return a handle for ``open_shared`` in another process (CUDA IPC).

        From now on this process can be paused, but not suspended.
        """
        self._session.mark_ipc()
        return str(self._ask("share")["token"])

    def free(self) -> None:
        """Give the memory back. A second time does nothing."""
        self._check_session()
        if self._session.held.pop(self._handle, None) is not None:
            self._session.free(self._handle)

    def _check(self, offset: int, length: int) -> None:
        if offset < 0 or length < 0 or offset + length > self.length:
            message = f"{length} bytes at {offset} are outside of a buffer of {self.length}"
            raise SimulatedGpuError(message)

    def _ask(self, verb: str, **fields: object) -> dict[str, object]:
        return self._exchange(verb, b"", **fields)[0]

    def _exchange(
        self, verb: str, payload: bytes | memoryview, **fields: object
    ) -> tuple[dict[str, object], bytes]:
        self._check_session()
        return self._session.exchange(verb, payload, handle=self._handle, **fields)

    def _check_session(self) -> None:
        if self._session is not _session():
            message = "this buffer belongs to the process that forked, or to a context given up"
            raise SimulatedGpuError(message)


def allocate(*, gib: float = 0, mib: int = 0, on: str | None = None) -> Buffer:
    """Return a new buffer of simulated GiB or MiB.

    ``on`` is the id of another card than this process's first: it is used, too, from then on.
    ``OutOfMemoryError`` beyond the slice's cap or the card.
    """
    return _allocate(gib, mib, managed=False, on=on)


def allocate_managed(*, gib: float = 0, mib: int = 0) -> Buffer:
    """Return managed memory (``cudaMallocManaged``): the process cannot be suspended then."""
    return _allocate(gib, mib, managed=True)


def _allocate(gib: float, mib: int, *, managed: bool, on: str | None = None) -> Buffer:
    wanted = math.ceil((gib * _MIB_PER_GIB + mib) / _GRANULE_MIB) * _GRANULE_MIB
    if wanted <= 0:
        message = f"{gib} GiB and {mib} MiB is nothing to allocate"
        raise SimulatedGpuError(message)
    session = _session()
    others = {} if on is None else {"gpu_id": on}
    handle, answer = session.obtain("allocate", wanted, managed=managed, **others)
    return Buffer(session, handle, wanted, _number(answer["length"]))


def open_shared(token: str) -> Buffer:
    """Return a buffer that another process of the same user shared (CUDA IPC)."""
    session = _session()
    session.mark_ipc()
    handle, answer = session.obtain("open_shared", 0, token=token)
    return Buffer(session, handle, _number(answer["mib"]), _number(answer["length"]))


def compute(
    seconds: float, kernel_ms: float = 1.0, *, launch_ms: float = 0.0, waits_for_each: bool = False
) -> None:
    """Compute, and wait for the end: many kernels of ``kernel_ms``, as frameworks launch them.

    ``seconds`` are of the card's time, alone. Launching a kernel takes ``launch_ms`` of the
    program's time: more than ``kernel_ms``, and the card waits for the program. With
    ``waits_for_each`` the next kernel is launched when the one before has ended.
    """
    _session().ask(
        "compute",
        seconds=seconds,
        kernel_s=kernel_ms / 1000,
        launch_s=launch_ms / 1000,
        waits_for_each=waits_for_each,
        wait=True,
    )


def launch(seconds: float, kernel_ms: float | None = 1.0, *, launch_ms: float = 0.0) -> None:
    """Compute without waiting. ``kernel_ms`` of ``None``: one single kernel."""
    kernel_s = None if kernel_ms is None else kernel_ms / 1000
    _session().ask(
        "compute", seconds=seconds, kernel_s=kernel_s, launch_s=launch_ms / 1000, wait=False
    )


def launch_endless_kernel() -> None:
    """Launch a kernel that never ends: this process can never be locked again."""
    _session().ask("compute", seconds=None, kernel_s=None, wait=False)


def synchronize() -> None:
    """Wait until everything launched so far has ended."""
    _session().ask("synchronize")


def memory_info() -> MemoryInfo:
    """Return the card's memory, and this process's part of it."""
    answer = _session().ask("memory_info")
    return MemoryInfo(
        free_mib=_number(answer["free_mib"]),
        total_mib=_number(answer["total_mib"]),
        held_mib=_number(answer["held_mib"]),
        gpu_id=str(answer["gpu_id"]),
    )


def join_mps() -> None:
    """Become an MPS client; ``CUDA_MPS_PINNED_DEVICE_MEM_LIMIT`` (``0=10G``) is kept."""
    limit = os.environ.get("CUDA_MPS_PINNED_DEVICE_MEM_LIMIT", "").partition("=")[2]
    units = {"G": _MIB_PER_GIB, "M": 1}
    mib = int(limit[:-1]) * units[limit[-1]] if limit and limit[-1] in units else None
    _session().ask("join_mps", limit_mib=mib)


def reset() -> None:
    """Free everything and give the context up; the next call makes a new one."""
    global _current  # noqa: PLW0603 - as above
    _session().ask("reset")
    _current = None


def scale() -> int:
    """Return how many simulated bytes stand for each real one."""
    return _BYTES_PER_MIB // _session().bytes_per_mib


def is_available() -> bool:
    """Whether there is a simulated GPU for this process."""
    try:
        _session()
    except DeviceGoneError:
        return False
    return True


def gpu_name() -> str:
    """Return the name by which the card calls itself."""
    session = _session()
    gpus = session.ask("gpus")["gpus"]
    found = (
        [each for each in gpus if session.gpu_id in {None, each["gpu_id"]}]
        if isinstance(gpus, list)
        else []
    )
    return str(found[0]["type"]) if found else "no simulated GPU"


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


def _close_at_exit() -> None:
    global _current  # noqa: PLW0603 - as above
    _current = None


atexit.register(_close_at_exit)
