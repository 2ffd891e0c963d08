"""The kernel's own word on processes that have ended: under which account each ran.

Of a process that has ended before it was looked at ``/proc`` tells nothing, and it may have started
another. The kernel sends a record of each that ends to whoever asked for them (taskstats, a
generic netlink family), before it is gone from ``/proc``. That is for root on the machine itself:
elsewhere there is no word on anybody.
"""

import contextlib
import errno
import logging
import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Final, Self

_NETLINK_GENERIC: Final = 16
_CONTROLLER: Final = 16
_GET_FAMILY, _FAMILY_ID, _FAMILY_NAME = 3, 1, 2
_GET, _REGISTER = 1, 3
_OF_A_THREAD: Final = 4
_STATS: Final = 3
_REQUEST, _WITH_ANSWER = 1, 5
_ERROR: Final = 2
_HEADER: Final = struct.Struct("IHHII")
_COMMAND: Final = struct.Struct("BBH")
_ATTRIBUTE: Final = struct.Struct("HH")
"""The length of an attribute, this included, and its kind."""
_RECEIVE_BUFFER_FORCE: Final = 33
"""The kernel's ``SO_RCVBUFFORCE``: beyond the bound for everybody, which ``socket`` does not name.
"""
_ACCOUNT_AT: Final = 120
"""Where the kernel's ``struct taskstats`` has uid, gid, pid and parent's pid, always"""
_ACCOUNT: Final = struct.Struct("IIII")
_MOST_BYTES: Final = 1 << 16
_BUFFER_BYTES: Final = 4 << 20
_ANSWERS_WITHIN_S: Final = 1.0
_MOST_AT_ONCE: Final = 1 << 14
"""How many records are read before somebody is answered: more than lie ready in the socket."""
_MOST_KEPT: Final = 1 << 16
_OWN_NAMESPACES: Final = {"pid": "pid:[4026531836]", "user": "user:[4026531837]"}
"""The machine's own: the pids and uids in records are counted there."""

log = logging.getLogger(__name__)


class EndedProcesses:
    """Who has ended since this was made, as far as the kernel tells."""

    def __init__(self) -> None:
        self._uids: dict[int, tuple[int, int]] = {}
        self._socket: socket.socket | None = None
        with contextlib.suppress(OSError):
            self._socket = _listen()

    def __enter__(self) -> Self:
        """Return this."""
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        """Ask for no more records."""
        if self._socket is not None:
            self._socket.close()

    def account_and_parent(self, pid: int) -> tuple[int, int] | None:
        """Return the uid of a process that has ended and its parent's pid; ``None``: not told."""
        self._read()
        return self._uids.get(pid)

    def _read(self) -> None:
        if self._socket is None:
            return
        for _ in range(_MOST_AT_ONCE):
            try:
                message = self._socket.recv(_MOST_BYTES)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    return
                # More ended than there was room for: of some there is no word then, and what was
                # told of a pid may be of one that had it before.
                log.debug("records of ended processes were lost: %s", error)
                self._uids.clear()
                continue
            for uid, pid, parent in _records(message):
                self._uids[pid] = (uid, parent)
            if len(self._uids) > _MOST_KEPT:
                self._uids.clear()
        # Those that end are more than can be read: what was not is not known.
        self._uids.clear()


def _listen() -> socket.socket:
    for name, value in _OWN_NAMESPACES.items():
        if str(Path(f"/proc/self/ns/{name}").readlink()) != value:
            message = f"the agent has a {name} namespace of its own"
            raise OSError(message)
    netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _NETLINK_GENERIC)
    try:
        netlink.settimeout(_ANSWERS_WITHIN_S)
        netlink.bind((0, 0))
        with contextlib.suppress(OSError):
            netlink.setsockopt(socket.SOL_SOCKET, _RECEIVE_BUFFER_FORCE, _BUFFER_BYTES)
        netlink.send(_message(_CONTROLLER, _GET_FAMILY, _FAMILY_NAME, b"TASKSTATS\0", _REQUEST))
        family = dict(_attributes(_payload(netlink.recv(_MOST_BYTES))))[_FAMILY_ID]
        cpus = Path("/sys/devices/system/cpu/possible").read_text().strip().encode() + b"\0"
        kind = int(struct.unpack("H", family[:2])[0])
        netlink.send(_message(kind, _GET, _REGISTER, cpus, _WITH_ANSWER))
        _payload(netlink.recv(_MOST_BYTES))
        netlink.setblocking(False)
    except (OSError, KeyError, struct.error) as error:
        netlink.close()
        raise OSError(str(error)) from error
    return netlink


def _message(kind: int, command: int, attribute: int, value: bytes, flags: int) -> bytes:
    length = _ATTRIBUTE.size + len(value)
    body = _COMMAND.pack(command, 1, 0) + _ATTRIBUTE.pack(length, attribute)
    body += value + b"\0" * (-length % 4)
    return _HEADER.pack(_HEADER.size + len(body), kind, flags, 1, 0) + body


def _payload(message: bytes) -> bytes:
    """Return what follows the headers; ``OSError`` where it is an error."""
    _, kind, *_ = _HEADER.unpack_from(message)
    if kind == _ERROR:
        number = -int(struct.unpack_from("i", message, _HEADER.size)[0])
        if number:
            raise OSError(number, os.strerror(number))
        return b""
    return message[_HEADER.size + _COMMAND.size :]


def _attributes(payload: bytes) -> Iterator[tuple[int, bytes]]:
    while len(payload) >= _ATTRIBUTE.size:
        length, kind = _ATTRIBUTE.unpack_from(payload)
        if length < _ATTRIBUTE.size:
            return
        yield kind & 0x3FFF, payload[_ATTRIBUTE.size : length]
        payload = payload[(length + 3) & ~3 :]


def _records(message: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield uid, pid and parent's pid of the processes in a message."""
    with contextlib.suppress(OSError, struct.error):
        for kind, value in _attributes(_payload(message)):
            if kind != _OF_A_THREAD:
                continue
            for inner, stats in _attributes(value):
                if inner == _STATS and len(stats) >= _ACCOUNT_AT + _ACCOUNT.size:
                    uid, _, pid, parent = _ACCOUNT.unpack_from(stats, _ACCOUNT_AT)
                    yield uid, pid, parent
