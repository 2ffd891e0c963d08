"""A process that has imported what tests need of others, and forks for each run of pytest.

Each line of its input asks for one run, in JSON: pytest's ``arguments``, more ``environment``, the
file for what is ``said``, and ``within_s``. When that run is over, and all that it has left running
is ended, a line of output tells whether it came to its end in time. The end of its input ends it.

What is imported here is the same in all runs, so nothing of this project is.
"""

import ctypes
import importlib
import json
import os
import select
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Final, NoReturn

import psutil
import pytest

_OF_OTHERS: Final = (
    "alembic.command",
    "hypothesis.strategies",
    "jupyter_server.serverapp",
    "jupyterhub.app",
    "jupyterhub.services.auth",
    "kubernetes.aio",
    "kubernetes_asyncio.client",
    "kubespawner",
    "prometheus_client",
    "pydantic",
    "pytest_asyncio",
    "rich.table",
    "sqlalchemy.dialects.sqlite",
    "tornado.simple_httpclient",
    "tornado.testing",
    "tornado.web",
    "xdist",
    "yaml",
)
"""What takes longest to import."""
_PR_SET_CHILD_SUBREAPER: Final = 36
_WITHIN_S: Final = 30.0
"""How long those that are ended may take: one may be frozen."""


def main() -> None:
    """Import, then run what is asked for, one run after the other."""
    for name in _OF_OTHERS:
        importlib.import_module(name)
    if any(name.startswith("sublet_") for name in sys.modules):
        message = "modules of the project are imported before a run: no mutant would be in them"
        raise RuntimeError(message)
    # Whoever loses their parent below becomes a child of this process, be it in another session.
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    for line in sys.stdin:
        asked = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _run_pytest(asked["arguments"], asked["environment"], asked["said"])
        ended = _is_over(pid, asked["within_s"])
        _end_all()
        sys.stdout.write(json.dumps({"ended": ended}) + "\n")
        sys.stdout.flush()


def _run_pytest(arguments: Sequence[str], environment: Mapping[str, str], said: str) -> NoReturn:
    os.setsid()
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for output in (1, 2):
        os.dup2(os.open(said, os.O_WRONLY | os.O_CREAT | os.O_APPEND), output)
    os.environ.update(environment)
    status = 1
    try:
        status = pytest.main([*arguments])
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        # Whatever was raised: no second process goes on to read what is asked for.
        os._exit(status)


def _is_over(pid: int, within_s: float) -> bool:
    """Wait for a run, end it where it takes too long, and tell whether it has ended by itself."""
    run = os.pidfd_open(pid)
    ended, _, _ = select.select([run], [], [], within_s)
    if not ended:
        os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    os.close(run)
    return bool(ended)


def _end_all() -> None:
    until = time.monotonic() + _WITHIN_S
    while time.monotonic() < until:
        for left in psutil.Process().children(recursive=True):
            left.kill()
        try:
            # Whoever they leave behind becomes a child in turn.
            if os.waitpid(-1, os.WNOHANG) == (0, 0):
                time.sleep(0.02)
        except ChildProcessError:
            return


if __name__ == "__main__":
    main()
