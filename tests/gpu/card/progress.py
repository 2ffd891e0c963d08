"""What a part says, shown while it runs."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_LOOK_EVERY_S: Final = 0.2


@contextmanager
def shown(output: Path, show: Callable[[str], None]) -> Iterator[None]:
    """Show each line that is added to a file in the block, once it is whole.

    The file need not be there yet. What ends without a line's end is shown last.
    """
    over = threading.Event()
    follower = threading.Thread(target=_follow, args=(output, show, over))
    follower.start()
    try:
        yield
    finally:
        over.set()
        follower.join()


def _follow(output: Path, show: Callable[[str], None], over: threading.Event) -> None:
    read, rest = 0, b""
    while True:
        # Asked before the last look, which then finds all.
        last = over.wait(_LOOK_EVERY_S)
        if output.exists():
            with output.open("rb") as file:
                file.seek(read)
                new = file.read()
            read += len(new)
            *lines, rest = (rest + new).split(b"\n")
            for line in lines:
                show(line.decode(errors="replace"))
        if last:
            break
    if rest:
        show(rest.decode(errors="replace"))
