"""Buffers: allocations with their bytes on the card, or in the image of a suspended process."""

import hashlib
from collections.abc import Generator, Iterator
from enum import StrEnum
from typing import Final

from sublet_agent.simulated.machine.memory.store import Place, scramble

SLICE_BYTES: Final = 64 * 1024
"""Real bytes are handled this many at a time, so that the daemon goes on answering."""


class BufferKind(StrEnum):
    """The kind of an allocation."""

    CONTEXT = "context"
    """The CUDA context itself: takes room, holds nothing of the program's."""
    PLAIN = "plain"
    MANAGED = "managed"
    """``cudaMallocManaged``: a process with one cannot be suspended."""


class Buffer:
    """Bytes of one process. Exactly one of ``place`` and ``image`` holds them."""

    def __init__(self, handle: int, mib: int, kind: BufferKind, place: Place) -> None:
        self.handle: Final = handle
        self.mib: Final = mib
        self.kind: Final = kind
        self.length: Final = 0 if kind is BufferKind.CONTEXT else place.length
        self.store = place.store
        """The memory of the card that the buffer is on, or goes back to."""
        self.place: Place | None = place
        self.image: memoryview | None = None
        self.digest: str | None = None
        """SHA-256 of what the program last put there; ``None`` where it is not known."""
        self.version = 0
        """The number of the program's changes, so that a hash of half-changed bytes is not kept."""
        self.share_token: str | None = None
        """The CUDA IPC handle, once shared."""

    def views(self, offset: int, length: int) -> Iterator[memoryview]:
        """Yield the bytes, wherever they are now."""
        if self.place is not None:
            yield from self.place.views(offset, length)
        elif self.image is not None:
            yield self.image[offset : offset + length]

    def slices(self, offset: int = 0, length: int | None = None) -> Iterator[tuple[int, int]]:
        """Yield ``(offset, length)`` of each slice to handle at a time."""
        end = self.length if length is None else offset + length
        for start in range(offset, end, SLICE_BYTES):
            yield start, min(SLICE_BYTES, end - start)

    def read(self, offset: int, length: int) -> bytes:
        """Return a copy of the bytes."""
        return b"".join(self.views(offset, length))

    def write(self, offset: int, data: bytes | memoryview) -> None:
        """Change bytes; the hash is no longer known."""
        self._changes()
        self._put(offset, data)

    def _changes(self) -> None:
        self.digest = None
        self.version += 1

    def _put(self, offset: int, data: bytes | memoryview) -> None:
        done = 0
        for view in self.views(offset, len(data)):
            view[:] = data[done : done + len(view)]
            done += len(view)

    def scrambling(self) -> Iterator[None]:
        """Overwrite the bytes of a fresh buffer, which are nobody's; yield after each slice."""
        if not self.store.scrubs:
            return
        for offset, length in self.slices():
            # A suspend in between has hashed what was there so far.
            self._changes()
            for view in self.views(offset, length):
                scramble(view)
            yield

    def hashing(self) -> Generator[None, None, str]:
        """Hash the bytes, and return the hash; yield after each slice."""
        digest = hashlib.sha256()
        version = self.version
        for offset, length in self.slices():
            for view in self.views(offset, length):
                digest.update(view)
            yield
        found = digest.hexdigest()
        if version == self.version and self.digest is None:
            self.digest = found
        return found

    def moving_out(self) -> Iterator[None]:
        """Copy to an image and scramble the place, which is still held; yield after each slice."""
        image = memoryview(bytearray(self.length))
        digest = hashlib.sha256() if self.digest is None else None
        for offset, length in self.slices():
            done = offset
            for view in self.views(offset, length):
                image[done : done + len(view)] = view
                done += len(view)
                if self.store.scrubs:
                    scramble(view)
            if digest is not None:
                digest.update(image[offset : offset + length])
            yield
        self.image = image
        if digest is not None:
            self.digest = digest.hexdigest()

    def leave_card(self) -> None:
        """Give the place up, after the bytes have moved out."""
        if self.place is not None:
            self.store.give_back(self.place)
            self.place = None

    def decay(self) -> None:
        """Change a byte behind the program's back."""
        for view in self.views(0, min(1, self.length)):
            view[:] = bytes(255 - byte for byte in view)

    def moving_back(self, place: Place) -> Iterator[None]:
        """Copy the image to ``place``, and lie there in the end; yield after each slice."""
        image = self.image
        for offset, length in self.slices():
            done = offset
            for view in place.views(offset, length):
                view[:] = image[done : done + len(view)] if image is not None else b""
                done += len(view)
            yield
        self.place = place
