"""A program that holds its own memory map, by a file of its own file system (FUSE).

What it has written there is to be stored before the kernel takes the page out of its map, for which
the map is locked; and the file system takes that and never answers. Every read of
``/proc/PID/environ`` waits for the lock. Run as root, with a folder to mount at and the account to
do it as: that of nobody else, so that nobody else's processes count as its own.
"""

import ctypes
import errno
import os
import signal
import struct
import sys

_LOOKUP, _FORGET, _GETATTR, _OPEN, _READ, _WRITE, _INIT, _INTERRUPT = 1, 2, 3, 14, 15, 16, 26, 36
_HEADER = struct.Struct("<IIQQIIII")
_ROOT, _FILE = 1, 2
_AT_MOST_S = 60
_CLONE_NEWNS, _MS_REC, _MS_PRIVATE = 0x20000, 0x4000, 1 << 18
_PROT_READ, _PROT_WRITE = 1, 2
_MAP_SHARED, _MAP_PRIVATE, _MAP_FIXED, _MAP_ANONYMOUS = 1, 2, 16, 32
_PAGE = os.sysconf("SC_PAGE_SIZE")

libc = ctypes.CDLL(None, use_errno=True)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, *(ctypes.c_int,) * 3, ctypes.c_long)


def check(result: int, what: str) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def mount(device: int, folder: str, uid: int) -> None:
    check(libc.unshare(_CLONE_NEWNS), "unshare")
    check(libc.mount(b"none", b"/", None, _MS_REC | _MS_PRIVATE, None), "make private")
    options = f"fd={device},rootmode=40000,user_id={uid},group_id={uid},allow_other".encode()
    check(libc.mount(b"holder", folder.encode(), b"fuse", 0, options), "mount")


def attributes(node: int) -> bytes:
    mode = 0o40755 if node == _ROOT else 0o100644
    return struct.pack("<6Q10I", node, _PAGE, 0, 0, 0, 0, 0, 0, 0, mode, 1, 0, 0, 0, _PAGE, 0)


def answer(opcode: int, node: int) -> bytes | None:
    """What the kernel is told; ``None``: that there is no such thing."""
    if opcode == _INIT:
        return struct.pack("<4I2H2I2H8I", 7, 31, 0, 0, 8, 8, _PAGE, 1, 0, 0, *(0,) * 8)
    if opcode == _LOOKUP:
        return struct.pack("<4Q2I", _FILE, 0, 60, 60, 0, 0) + attributes(_FILE)
    if opcode == _GETATTR:
        return struct.pack("<Q2I", 60, 0, 0) + attributes(node)
    if opcode == _OPEN:
        return struct.pack("<Q2I", 1, 0, 0)
    return bytes(_PAGE) if opcode == _READ else None


def serve(device: int) -> None:
    while True:
        asked = os.read(device, 256 * 1024)
        _, opcode, unique, node, *_ = _HEADER.unpack_from(asked)
        if opcode == _WRITE:
            # Here is what it is for: whoever waits for this holds the memory map.
            os.write(1, b"held\n")
        if opcode in {_FORGET, _INTERRUPT, _WRITE}:
            continue
        told = answer(opcode, node)
        error, body = (-errno.ENOSYS, b"") if told is None else (0, told)
        os.write(device, struct.pack("<IiQ", 16 + len(body), error, unique) + body)


def hold_memory_map(path: str) -> None:
    file = os.open(path, os.O_RDWR)
    both = _PROT_READ | _PROT_WRITE
    place = libc.mmap(None, _PAGE, both, _MAP_SHARED, file, 0)
    ctypes.memset(place, 1, 1)
    libc.mmap(place, _PAGE, both, _MAP_PRIVATE | _MAP_FIXED | _MAP_ANONYMOUS, -1, 0)


def main() -> None:
    folder, uid = sys.argv[1], int(sys.argv[2])
    device = os.open("/dev/fuse", os.O_RDWR)
    mount(device, folder, uid)
    if os.fork() == 0:
        # Whatever becomes of the test: `ps` waits meanwhile, too.
        signal.alarm(_AT_MOST_S)
        serve(device)
    # The file system alone has it: with its end, all go on who wait.
    os.close(device)
    # Entered as root: other accounts cannot look into the folders above.
    os.setgroups([])
    os.setgid(uid)
    os.chdir(folder)
    os.setuid(uid)
    hold_memory_map("held")


if __name__ == "__main__":
    main()
