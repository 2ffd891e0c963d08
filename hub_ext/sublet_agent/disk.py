"""Writing to files whose loss would matter."""

import os


def write_all(handle: int, data: bytes) -> None:
    """Write all of it; ``OSError`` where a disk that fills up takes only a part."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(handle, rest) :]
