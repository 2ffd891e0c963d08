"""The canary: a small program of the agent's own that holds a few MiB on a card.

It is moved out and back before anybody's work is. Run as ``python -m sublet_agent.fitness.canary
KIND``; KIND is ``nvidia`` or ``simulated``, the card is in its environment. A line on its standard
input is an order, one on its standard output the answer:

- ``go``: take the memory, fill it and read it back; ``ready``, or what did not work;
- ``check``: read it again; ``intact`` or ``changed``.

It ends with its standard input, and at once with whoever started it.
"""

import ctypes
import os
import signal
import sys
from typing import Final, Protocol

SIZE_MIB: Final = 8
READY: Final = "ready"
INTACT: Final = "intact"
CHANGED: Final = "changed"
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

    def __init__(self) -> None:
        self._library: Final = ctypes.CDLL("libcuda.so.1")
        self.length: Final = SIZE_MIB * _BYTES_PER_MIB
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

    def __init__(self) -> None:
        # A program on a real card has no daemon to speak to.
        import sublet_agent.simulated.client as gpu  # noqa: PLC0415

        self._buffer: Final = gpu.allocate(mib=SIZE_MIB)
        self.length: Final = self._buffer.length

    def write(self, data: bytes) -> None:
        """Put all bytes there."""
        self._buffer.write(0, data)

    def read(self) -> bytes:
        """Return all bytes."""
        return self._buffer.read()


_KINDS: Final[dict[str, type[CudaMemory] | type[SimulatedMemory]]] = {
    "nvidia": CudaMemory,
    "simulated": SimulatedMemory,
}


def main() -> None:
    """Take orders until there are none any more."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    memory: CanaryMemory | None = None
    written = b""
    for order in map(str.strip, sys.stdin):
        try:
            if order == "go":
                memory = _KINDS[sys.argv[1]]()
                written = os.urandom(memory.length)
                memory.write(written)
                answer = READY if memory.read() == written else "its memory keeps no bytes"
            else:
                answer = INTACT if memory is not None and memory.read() == written else CHANGED
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the answer
            answer = " ".join(str(error).split()) or repr(error)
        sys.stdout.write(f"{answer}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
