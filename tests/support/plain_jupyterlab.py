"""JupyterLab as people have it who have no Sublet hub: a server of its own, with our extension."""

import os
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from sublet_hub.one_machine.processes import answers

from tests.support.ports import free_port

START_WITHIN_S = 300.0
END_WITHIN_S = 60.0


@contextmanager
def plain_jupyterlab(folder: Path) -> Iterator[str]:
    """Start JupyterLab over a folder; give the address that logs in."""
    # Names of sockets are short: a test's own folder would be too long for them.
    with TemporaryDirectory(prefix="lab-") as runtime:
        yield from _plain_jupyterlab(folder, runtime)


def _plain_jupyterlab(folder: Path, runtime: str) -> Iterator[str]:
    port, token = free_port(), secrets.token_hex(16)
    ours = ("SUBLET_", "JUPYTER", "JPY_")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
    environment |= {"HOME": str(folder), "JUPYTER_TOKEN": token, "JUPYTER_RUNTIME_DIR": runtime}
    log = folder / "jupyterlab.log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            [
                *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"),
                *("--ip=127.0.0.1", f"--port={port}", "--ServerApp.port_retries=0"),
                f"--ServerApp.root_dir={folder}",
                # A kernel binds its ports a second after they were chosen; where another process
                # has one by then, it is started anew with others, and the page stays on the old.
                "--KernelManager.transport=ipc",
            ],
            env=environment,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        ends = time.monotonic() + START_WITHIN_S
        while not answers(f"http://127.0.0.1:{port}/api"):
            assert server.poll() is None, log.read_text()
            assert time.monotonic() < ends, log.read_text()
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/lab?token={token}"
    finally:
        server.terminate()
        try:
            server.wait(END_WITHIN_S)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
