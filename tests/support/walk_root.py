"""A slice's first process in the fault walk: kernels, jobs and grabbers descend from it.

Run as a script with a Unix socket as its descriptor 3. Each message is a JSON object with the
``environment`` of a new process and what it shall ``be``: a ``tenant`` (two descriptors come with
it, its stdin and stdout) or a ``grabber``. The answer is the pid. What is forked is at work
within a millisecond, so memory may be taken at any time by somebody whom nobody has seen yet.
"""

import contextlib
import ctypes
import json
import os
import random
import select
import signal
import socket
import time
import traceback
from collections.abc import Callable

from tests.support import walk_tenant
from tests.support.walk_tenant import GIB, gpu

_PR_SET_PDEATHSIG = 1


def fork(be: Callable[[], None]) -> int:
    """Start a process that does this and ends, at the latest with the one that started it."""
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        be()
        status = 0
    except BaseException:  # noqa: BLE001 - told on stderr; the exit status says the rest
        traceback.print_exc()
    os._exit(status)


def grab_for_ever() -> None:
    """Fork and allocate, again and again; never touches the GPU itself."""
    rng = random.Random(os.environ["WALK_SEED"])  # noqa: S311 - a walk, not a secret
    most_mib = int(os.environ["WALK_CAP_MIB"])
    alive: list[int] = []
    while True:
        time.sleep(rng.random() * float(os.environ["WALK_GRAB_EVERY_S"]))
        ended = select.select(alive, [], [], 0)[0]
        if os.path.exists(os.environ["WALK_REST"]):  # noqa: PTH110 - asked again and again
            # Those that stand still in a suspended slice would keep their memory for ever.
            for handle in set(alive) - set(ended):
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(handle, signal.SIGKILL)
        else:
            mib, held_s = rng.randrange(GIB, most_mib), rng.random() * 0.05
            pid = fork(lambda mib=mib, held_s=held_s: grab_once(mib, held_s))  # type: ignore[misc]
            with contextlib.suppress(ProcessLookupError):
                alive.append(os.pidfd_open(pid))
        for handle in ended:
            alive.remove(handle)
            os.close(handle)


def grab_once(mib: int, held_s: float) -> None:
    try:
        gpu.allocate(mib=mib)
    except gpu.OutOfMemoryError:
        return
    time.sleep(held_s)


def main() -> None:
    # Nobody waits for those that end: the kernel shall take them away.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    line = socket.socket(fileno=3)
    while True:
        message, handles, _, _ = socket.recv_fds(line, 65536, 2)
        if not message:
            return
        order = json.loads(message)

        def be(order: dict[str, object] = order, handles: list[int] = handles) -> None:
            line.close()
            os.environ.update(order["environment"])  # type: ignore[call-overload]
            for number, handle in enumerate(handles):
                os.dup2(handle, number)
                os.close(handle)
            if order["be"] == "tenant":
                walk_tenant.main()
            else:
                grab_for_ever()

        pid = fork(be)
        for handle in handles:
            os.close(handle)
        line.send(str(pid).encode())


if __name__ == "__main__":
    main()
