"""The frames on the simulated GPUs' socket: a JSON object and raw bytes, each with its length.

Both sides check the lengths before they read on; a frame that breaks the rules ends the
connection.
"""

import json
import struct
from collections.abc import Iterator, Mapping
from typing import Final

_LENGTHS: Final = struct.Struct("!II")
MOST_PAYLOAD_BYTES: Final = 1024 * 1024
"""The most bytes of a payload; larger transfers are several requests."""
MOST_REQUEST_BYTES: Final = 64 * 1024
MOST_REPLY_BYTES: Final = 64 * 1024 * 1024
LENGTHS_BYTES: Final = _LENGTHS.size


class FrameError(Exception):
    """The other side does not speak this protocol."""


def pack_frame(message: Mapping[str, object], payload: bytes = b"") -> bytes:
    """Return the bytes of one frame."""
    text = json.dumps(message, separators=(",", ":"), allow_nan=False).encode()
    return _LENGTHS.pack(len(text), len(payload)) + text + payload


def unpack_lengths(head: bytes, most_message_bytes: int) -> tuple[int, int]:
    """Return the lengths of message and payload; ``FrameError`` where they are too large."""
    message_bytes, payload_bytes = _LENGTHS.unpack(head)
    if message_bytes > most_message_bytes or payload_bytes > MOST_PAYLOAD_BYTES:
        problem = (
            f"a frame of {message_bytes} and {payload_bytes} bytes: at most "
            f"{most_message_bytes} and {MOST_PAYLOAD_BYTES} are allowed"
        )
        raise FrameError(problem)
    return message_bytes, payload_bytes


def unpack_message(text: bytes) -> dict[str, object]:
    """Return the JSON object of a frame."""
    try:
        message = json.loads(text)
    except (ValueError, RecursionError) as error:
        problem = "a frame's message is not JSON"
        raise FrameError(problem) from error
    if not isinstance(message, dict):
        problem = f"a frame's message is a {type(message).__name__}, not an object"
        raise FrameError(problem)
    return message


class FrameReader:
    """A reader that puts frames together from whatever pieces arrive."""

    def __init__(self, most_message_bytes: int) -> None:
        self._most = most_message_bytes
        self._received = bytearray()

    def feed(self, data: bytes) -> Iterator[tuple[dict[str, object], bytes]]:
        """Take what arrived; yield message and payload of each complete frame."""
        self._received += data
        while len(self._received) >= LENGTHS_BYTES:
            head = bytes(self._received[:LENGTHS_BYTES])
            message_bytes, payload_bytes = unpack_lengths(head, self._most)
            middle = LENGTHS_BYTES + message_bytes
            end = middle + payload_bytes
            if len(self._received) < end:
                return
            message = unpack_message(bytes(self._received[LENGTHS_BYTES:middle]))
            payload = bytes(self._received[middle:end])
            del self._received[:end]
            yield message, payload
