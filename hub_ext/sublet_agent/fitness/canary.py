"""The canary: a small program of the agent's own that holds a few MiB on a card.

It is moved out and back before anybody's work is. Run as ``python -m sublet_agent.fitness.canary
KIND [UID]``; KIND is ``nvidia`` or ``simulated``, the card is in its environment, and UID is the
account that it goes on as. A line on its standard input is an order, one on its standard output the
answer:

- ``go MARK``: take memory, fill it, with the mark (in hexadecimal) here and there, and read it
  back; ``ready``, or what did not work;
- ``check``: read it again; ``intact`` or ``changed``;
- ``seek MARK``: take memory, and look whether the mark is there: ``found`` or ``clean``.

It ends with its standard input, and at once with whoever started it.
"""

import ctypes
import importlib
import os
import signal
import sys
from types import ModuleType
from typing import Final, Protocol

SIZE_MIB: Final = 8
READY: Final = "ready"
INTACT: Final = "intact"
CHANGED: Final = "changed"
FOUND: Final = "found"
CLEAN: Final = "clean"
_SEEK_MIB: Final = 4 * SIZE_MIB
"""More than was filled: where on the card memory comes from is the driver's choice."""
_MARKS: Final = 128
_PR_SET_PDEATHSIG: Final = 1
_BYTES_PER_MIB: Final = 1024 * 1024


class CanaryMemory(Protocol):
    """A few MiB on a card."""

    @property
    def length(self) -> int:
        """The number of bytes."""
        ...

    def write(self, data: bytes) -> None:
        """Put all bytes there."""
        ...

    def read(self) -> bytes:
        """Return all bytes."""
        ...


class CudaMemory:
    """Memory on the first card that CUDA shows, by the driver's own library."""

    def __init__(self, size_mib: int) -> None:
        self._library: Final = ctypes.CDLL("libcuda.so.1")
        self.length: Final = size_mib * _BYTES_PER_MIB
        device, context = ctypes.c_int(), ctypes.c_void_p()
        self._call("cuInit", ctypes.c_uint(0))
        self._call("cuDeviceGet", ctypes.byref(device), ctypes.c_int(0))
        self._call("cuDevicePrimaryCtxRetain", ctypes.byref(context), device)
        self._call("cuCtxSetCurrent", context)
        self._place: Final = ctypes.c_uint64()
        self._call("cuMemAlloc_v2", ctypes.byref(self._place), ctypes.c_size_t(self.length))

    def write(self, data: bytes) -> None:
        """Put all bytes there."""
        self._call("cuMemcpyHtoD_v2", self._place, data, ctypes.c_size_t(self.length))

    def read(self) -> bytes:
        """Return all bytes."""
        copy = ctypes.create_string_buffer(self.length)
        self._call("cuMemcpyDtoH_v2", copy, self._place, ctypes.c_size_t(self.length))
        return copy.raw

    def _call(self, name: str, *arguments: object) -> None:
        code = getattr(self._library, name)(*arguments)
        if code:
            message = f"{name} answers with error {code}{self._words(code)}"
            raise OSError(message)

    def _words(self, code: int) -> str:
        words = ctypes.c_char_p()
        found = self._library.cuGetErrorName(ctypes.c_int(code), ctypes.byref(words)) == 0
        return f" ({words.value.decode()})" if found and words.value else ""


class SimulatedMemory:
    """Memory on a simulated card."""

    def __init__(self, size_mib: int) -> None:
        self._buffer: Final = _simulated_client().allocate(mib=size_mib)
        self.length: Final = self._buffer.length

    def write(self, data: bytes) -> None:
        """Put all bytes there."""
        self._buffer.write(0, data)

    def read(self) -> bytes:
        """Return all bytes."""
        return bytes(self._buffer.read())


_KINDS: Final[dict[str, type[CudaMemory] | type[SimulatedMemory]]] = {
    "nvidia": CudaMemory,
    "simulated": SimulatedMemory,
}


def main() -> None:
    """Take orders until there are none any more."""
    kind, *uid = sys.argv[1:]
    if kind == "simulated":
        # Another account may not be let read this program's files.
        _simulated_client()
    if uid:
        account = int(uid[0])
        os.setgroups([])
        os.setresgid(account, account, account)
        os.setresuid(account, account, account)
    # A change of the account would undo it.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    memory: CanaryMemory | None = None
    written = b""
    for line in sys.stdin:
        order, _, told = line.strip().partition(" ")
        try:
            mark = bytes.fromhex(told)
            if order == "go":
                memory = _KINDS[kind](SIZE_MIB)
                written = _marked(os.urandom(memory.length), mark)
                memory.write(written)
                answer = READY if memory.read() == written else "its memory keeps no bytes"
            elif order == "seek":
                memory = _KINDS[kind](_SEEK_MIB)
                answer = FOUND if mark in memory.read() else CLEAN
            else:
                answer = INTACT if memory is not None and memory.read() == written else CHANGED
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the answer
            answer = " ".join(str(error).split()) or repr(error)
        sys.stdout.write(f"{answer}\n")
        sys.stdout.flush()


def _simulated_client() -> ModuleType:
    # A program on a real card has no daemon to speak to.
    return importlib.import_module("sublet_agent.simulated.client")


def _marked(data: bytes, mark: bytes) -> bytes:
    """Return the data with the mark in many places: pieces of memory go to others one by one."""
    marked = bytearray(data)
    for start in range(0, len(data) - len(mark), max(2 * len(mark), len(data) // _MARKS)):
        marked[start : start + len(mark)] = mark
    return bytes(marked)


if __name__ == "__main__":
    main()
