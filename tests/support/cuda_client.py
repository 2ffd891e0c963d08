"""The words of ``sublet_agent.simulated.client`` on a real NVIDIA GPU, by ``libcuda`` alone.

The shared device tests run the same lines in a simulated and in a real CUDA process; this is what
the real one imports as ``gpu``. Only what those lines use is here.

Over the stand-in for the driver, which keeps no more, only ``SUBLET_TEST_BYTES_PER_MIB`` bytes at
the beginning of each MiB are written and looked at; and where its card is a small one, a GiB is
``SUBLET_TEST_MIB_PER_GIB`` MiB.
"""

import ctypes
import hashlib
import math
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass

simulated = False
_MIB = 1024 * 1024
_MIB_PER_GIB = int(os.environ.get("SUBLET_TEST_MIB_PER_GIB", "1024"))
_LOOKED_AT = int(os.environ.get("SUBLET_TEST_BYTES_PER_MIB", _MIB))
"""The bytes of each MiB that are written and looked at: on a card, all."""
_SPIN = b"""
.version 6.4
.target sm_75
.address_size 64
.visible .entry spin(.param .u64 nanoseconds)
{
    .reg .u64 %begun, %now, %gone, %wanted;
    .reg .pred %more;
    ld.param.u64 %wanted, [nanoseconds];
    mov.u64 %begun, %globaltimer;
again:
    mov.u64 %now, %globaltimer;
    sub.u64 %gone, %now, %begun;
    setp.lt.u64 %more, %gone, %wanted;
    @%more bra again;
    ret;
}
.visible .entry work(.param .u64 rounds)
{
    .reg .u64 %left;
    .reg .u32 %value;
    .reg .pred %more, %odd;
    ld.param.u64 %left, [rounds];
    cvt.u32.u64 %value, %left;
again:
    mad.lo.u32 %value, %value, 1664525, 1013904223;
    sub.u64 %left, %left, 1;
    setp.ne.u64 %more, %left, 0;
    @%more bra again;
    setp.eq.u32 %odd, %value, 0;
    @%odd mov.u64 %left, 1;
    @%odd bra again;
    ret;
}
"""
_TRIED_ROUNDS = 50_000_000
_KERNEL_S = 0.001


class CudaError(Exception):
    """A driver call failed."""


class OutOfMemoryError(CudaError):
    """There is no room on the card."""


class _Copy2d(ctypes.Structure):
    """``CUDA_MEMCPY2D``: rows of ``width`` bytes, one every ``pitch`` bytes."""

    _fields_ = (
        ("from_x", ctypes.c_size_t),
        ("from_y", ctypes.c_size_t),
        ("from_kind", ctypes.c_uint),
        ("from_host", ctypes.c_void_p),
        ("from_card", ctypes.c_uint64),
        ("from_array", ctypes.c_void_p),
        ("from_pitch", ctypes.c_size_t),
        ("to_x", ctypes.c_size_t),
        ("to_y", ctypes.c_size_t),
        ("to_kind", ctypes.c_uint),
        ("to_host", ctypes.c_void_p),
        ("to_card", ctypes.c_uint64),
        ("to_array", ctypes.c_void_p),
        ("to_pitch", ctypes.c_size_t),
        ("width", ctypes.c_size_t),
        ("height", ctypes.c_size_t),
    )


_HOST, _CARD = 1, 2


class _IpcHandle(ctypes.Structure):
    _fields_ = (("reserved", ctypes.c_char * 64),)


class _Driver:
    """``libcuda`` with this process's context on the first visible card."""

    def __init__(self) -> None:
        self.library = ctypes.CDLL("libcuda.so.1")
        self.call("cuInit", 0)
        self.use_card(0)
        module = ctypes.c_void_p()
        self.call("cuModuleLoadData", ctypes.byref(module), ctypes.c_char_p(_SPIN))
        self.spin = ctypes.c_void_p()
        self.call("cuModuleGetFunction", ctypes.byref(self.spin), module, b"spin")
        self.work = ctypes.c_void_p()
        self.call("cuModuleGetFunction", ctypes.byref(self.work), module, b"work")
        self.rounds_per_s = 0.0

    def use_card(self, index: int) -> None:
        """Let later calls of this thread go to another of the visible cards."""
        device = ctypes.c_int()
        self.call("cuDeviceGet", ctypes.byref(device), index)
        context = ctypes.c_void_p()
        self.call("cuDevicePrimaryCtxRetain", ctypes.byref(context), device)
        self.call("cuCtxSetCurrent", context)

    def call(self, name: str, *arguments: object) -> None:
        code = getattr(self.library, name)(*arguments)
        if code == 2:
            message = f"{name}: out of memory"
            raise OutOfMemoryError(message)
        if code:
            message = f"{name} failed with error {code}"
            raise CudaError(message)


_driver: _Driver | None = None


def _cuda() -> _Driver:
    global _driver  # noqa: PLW0603 - one context a process
    if _driver is None:
        _driver = _Driver()
    return _driver


@dataclass
class Buffer:
    """Memory on the card."""

    pointer: ctypes.c_uint64
    mib: int

    @property
    def length(self) -> int:
        return self.mib * _MIB

    def fill(self, seed: int) -> str:
        """Give each MiB a value of its own that follows from the seed."""
        words = _MIB // 4
        values = [(seed * 2654435761 + index * 40503 + 1) & 0xFFFFFFFF for index in range(self.mib)]
        if _LOOKED_AT < _MIB:
            repeated = _LOOKED_AT // 4
            self._put_part(b"".join(each.to_bytes(4, "little") * repeated for each in values))
            return self.sha256()
        for index, value in enumerate(values):
            there = ctypes.c_uint64(self.pointer.value + index * _MIB)
            _cuda().call("cuMemsetD32_v2", there, ctypes.c_uint(value), ctypes.c_size_t(words))
        _cuda().call("cuCtxSynchronize")
        return self.sha256()

    def sha256(self) -> str:
        digest = hashlib.sha256()
        for piece in self._pieces():
            digest.update(piece)
        return digest.hexdigest()

    def put_everywhere(self, word: int) -> None:
        """Write a word of four bytes over the whole buffer."""
        count = ctypes.c_size_t(self.length // 4)
        _cuda().call("cuMemsetD32_v2", self.pointer, ctypes.c_uint(word), count)
        _cuda().call("cuCtxSynchronize")

    def holds(self, word: int) -> bool:
        """Whether a word of four bytes is anywhere in it, four times in a row."""
        wanted = word.to_bytes(4, "little") * 4
        return any(wanted in bytes(piece) for piece in self._pieces())

    def _put_part(self, data: bytes) -> None:
        """Write what is looked at of each MiB."""
        host = ctypes.create_string_buffer(data, len(data))
        copy = _Copy2d(
            from_kind=_HOST,
            from_host=ctypes.addressof(host),
            from_pitch=_LOOKED_AT,
            to_kind=_CARD,
            to_card=self.pointer.value,
            to_pitch=_MIB,
            width=_LOOKED_AT,
            height=self.mib,
        )
        _cuda().call("cuMemcpy2D_v2", ctypes.byref(copy))

    def _part(self) -> memoryview:
        """Return what is looked at of each MiB."""
        host = ctypes.create_string_buffer(self.mib * _LOOKED_AT)
        copy = _Copy2d(
            from_kind=_CARD,
            from_card=self.pointer.value,
            from_pitch=_MIB,
            to_kind=_HOST,
            to_host=ctypes.addressof(host),
            to_pitch=_LOOKED_AT,
            width=_LOOKED_AT,
            height=self.mib,
        )
        _cuda().call("cuMemcpy2D_v2", ctypes.byref(copy))
        return memoryview(host)

    def _pieces(self) -> Iterator[memoryview]:
        if _LOOKED_AT < _MIB:
            yield self._part()
            return
        step = 64 * _MIB
        host = ctypes.create_string_buffer(step)
        for offset in range(0, self.length, step):
            size = min(step, self.length - offset)
            there = ctypes.c_uint64(self.pointer.value + offset)
            _cuda().call("cuMemcpyDtoH_v2", host, there, ctypes.c_size_t(size))
            yield memoryview(host)[:size]

    def share(self) -> str:
        handle = _IpcHandle()
        _cuda().call("cuIpcGetMemHandle", ctypes.byref(handle), self.pointer)
        return bytes(handle).hex()

    def free(self) -> None:
        _cuda().call("cuMemFree_v2", self.pointer)


def allocate(*, gib: float = 0, mib: int = 0) -> Buffer:
    wanted = math.ceil(gib * _MIB_PER_GIB) + mib
    pointer = ctypes.c_uint64()
    size = ctypes.c_size_t(wanted * _MIB)
    _cuda().call("cuMemAlloc_v2", ctypes.byref(pointer), size)
    return Buffer(pointer, wanted)


def allocate_managed(*, gib: float = 0, mib: int = 0) -> Buffer:
    wanted = math.ceil(gib * _MIB_PER_GIB) + mib
    pointer = ctypes.c_uint64()
    size = ctypes.c_size_t(wanted * _MIB)
    attach_to_all = ctypes.c_uint(1)
    _cuda().call("cuMemAllocManaged", ctypes.byref(pointer), size, attach_to_all)
    return Buffer(pointer, wanted)


def use_card(index: int) -> None:
    _cuda().use_card(index)


def open_shared(token: str) -> Buffer:
    handle = _IpcHandle.from_buffer_copy(bytes.fromhex(token))
    pointer = ctypes.c_uint64()
    lazily = ctypes.c_uint(1)
    _cuda().call("cuIpcOpenMemHandle_v2", ctypes.byref(pointer), handle, lazily)
    return Buffer(pointer, 0)


def compute(seconds: float, *, at_once: int = 1) -> None:
    """Keep one multiprocessor busy with kernels of a millisecond, launched so many at once."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        for _ in range(at_once):
            _launch(1e-3)
        synchronize()


def work(seconds: float) -> None:
    """Do what takes so long on the card alone, in kernels of a millisecond, and wait for the end.

    How many rounds these have is measured by the first call, which wants the card alone.
    """
    cuda = _cuda()
    if not cuda.rounds_per_s:
        _launch_kernel(cuda.work, 1)
        synchronize()
        began = time.monotonic()
        _launch_kernel(cuda.work, _TRIED_ROUNDS)
        synchronize()
        cuda.rounds_per_s = _TRIED_ROUNDS / (time.monotonic() - began)
    for _ in range(max(1, round(seconds / _KERNEL_S))):
        _launch_kernel(cuda.work, max(1, round(_KERNEL_S * cuda.rounds_per_s)))
    synchronize()


def launch_endless_kernel() -> None:
    """Launch a kernel of ten minutes: endless for a test, and no harm to the card afterwards."""
    _launch(600.0)


def synchronize() -> None:
    _cuda().call("cuCtxSynchronize")


def memory_info() -> tuple[int, int]:
    free, total = ctypes.c_size_t(), ctypes.c_size_t()
    _cuda().call("cuMemGetInfo_v2", ctypes.byref(free), ctypes.byref(total))
    return free.value // _MIB, total.value // _MIB


def _launch(seconds: float) -> None:
    _launch_kernel(_cuda().spin, round(seconds * 1e9))


def _launch_kernel(kernel: ctypes.c_void_p, number: int) -> None:
    first = ctypes.c_uint64(number)
    parameters = (ctypes.c_void_p * 1)(ctypes.addressof(first))
    one = ctypes.c_uint(1)
    none = ctypes.c_uint(0)
    _cuda().call(
        "cuLaunchKernel",
        kernel,
        *(one, one, one),
        *(one, one, one),
        none,
        None,
        parameters,
        None,
    )
