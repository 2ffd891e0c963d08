"""What some targets do beyond the tests' CUDA client: shared handles, a profiler, a second card.

Imported by the targets themselves; ``libcuda`` and CUPTI by ctypes, nothing else.
"""

import array
import ctypes
import socket
import time
from pathlib import Path
from typing import Any

from tests.support import cuda_client

_FILE_DESCRIPTOR = 1
_PINNED = 1
_ON_A_DEVICE = 1
_READ_AND_WRITE = 3
_MIB = 1024 * 1024
_CUPTI = (
    *("libcupti.so", "libcupti.so.13", "libcupti.so.12"),
    *map(str, Path("/usr/local").glob("cuda*/extras/CUPTI/lib64/libcupti.so")),
)


class _Location(ctypes.Structure):
    _fields_ = (("type", ctypes.c_int), ("id", ctypes.c_int))


class _Properties(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("handle_types", ctypes.c_int),
        ("location", _Location),
        ("windows", ctypes.c_void_p),
        ("flags", ctypes.c_ubyte * 8),
    )


class _Access(ctypes.Structure):
    _fields_ = (("location", _Location), ("flags", ctypes.c_int))


def _call(name: str, *arguments: Any) -> None:
    cuda_client._cuda().call(name, *arguments)


def _map(handle: ctypes.c_uint64, size: int) -> cuda_client.Buffer:
    pointer = ctypes.c_uint64()
    none, zero = ctypes.c_uint64(0), ctypes.c_size_t(0)
    length = ctypes.c_size_t(size)
    _call("cuMemAddressReserve", ctypes.byref(pointer), length, zero, none, none)
    _call("cuMemMap", pointer, length, zero, handle, none)
    access = _Access(_Location(_ON_A_DEVICE, 0), _READ_AND_WRITE)
    _call("cuMemSetAccess", pointer, length, ctypes.byref(access), ctypes.c_size_t(1))
    return cuda_client.Buffer(pointer, size // _MIB)


def create_shareable(mib: int, path: str) -> cuda_client.Buffer:
    """Hold memory by a handle, and give its descriptor to whoever asks at a socket, once."""
    properties = _Properties(_PINNED, _FILE_DESCRIPTOR, _Location(_ON_A_DEVICE, 0))
    handle = ctypes.c_uint64()
    size = mib * _MIB
    properties_at = ctypes.byref(properties)
    _call(
        "cuMemCreate",
        ctypes.byref(handle),
        ctypes.c_size_t(size),
        properties_at,
        ctypes.c_uint64(0),
    )
    buffer = _map(handle, size)
    descriptor = ctypes.c_int()
    shared = (ctypes.byref(descriptor), handle, ctypes.c_int(_FILE_DESCRIPTOR), ctypes.c_uint64(0))
    _call("cuMemExportToShareableHandle", *shared)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(path)
        listening.listen()
        connection, _ = listening.accept()
        with connection:
            socket.send_fds(connection, [str(mib).encode()], [descriptor.value])
    return buffer


def open_shareable(path: str) -> cuda_client.Buffer:
    """Map what another process shares at a socket."""
    _call("cuCtxSynchronize")
    with socket.socket(socket.AF_UNIX) as asking:
        asking.connect(path)
        told, descriptors, _, _ = socket.recv_fds(asking, 100, 1)
    handle = ctypes.c_uint64()
    descriptor = ctypes.c_void_p(array.array("i", descriptors)[0])
    shared = (ctypes.byref(handle), descriptor, ctypes.c_int(_FILE_DESCRIPTOR))
    _call("cuMemImportFromShareableHandle", *shared)
    return _map(handle, int(told) * _MIB)


def load_profiler() -> str:
    """Load CUPTI and switch the tracing of kernels on; returns what came of it."""
    for name in _CUPTI:
        try:
            library = ctypes.CDLL(name)
        except OSError:
            continue
        kernels = 3
        return f"{name}: cuptiActivityEnable gave {library.cuptiActivityEnable(kernels)}"
    return ""


def context_on_second_card(mib: int) -> int:
    """Hold memory on the second visible card, too; returns the address."""
    _call("cuCtxSynchronize")
    device, context, pointer = ctypes.c_int(), ctypes.c_void_p(), ctypes.c_uint64()
    first = ctypes.c_void_p()
    _call("cuCtxGetCurrent", ctypes.byref(first))
    _call("cuDeviceGet", ctypes.byref(device), 1)
    _call("cuDevicePrimaryCtxRetain", ctypes.byref(context), device)
    _call("cuCtxSetCurrent", context)
    _call("cuMemAlloc_v2", ctypes.byref(pointer), ctypes.c_size_t(mib * _MIB))
    _call("cuCtxSetCurrent", first)
    return pointer.value


def pinned_gib_s(mib: int) -> tuple[float, float]:
    """Return how fast pinned memory is copied from the card and to it: the link's own limit."""
    size = ctypes.c_size_t(mib * _MIB)
    host, there = ctypes.c_void_p(), cuda_client.allocate(mib=mib)
    _call("cuMemAllocHost_v2", ctypes.byref(host), size)
    rates = []
    for name, to, source in (
        ("cuMemcpyDtoH_v2", host, there.pointer),
        ("cuMemcpyHtoD_v2", there.pointer, host),
    ):
        _call(name, to, source, size)
        began = time.perf_counter()
        for _ in range(4):
            _call(name, to, source, size)
        rates.append(4 * mib / 1024 / (time.perf_counter() - began))
    _call("cuMemFreeHost", host)
    there.free()
    return rates[0], rates[1]
