"""What jobs of different accounts share by name, they share with nobody else."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path
from typing import Any

import pytest
from sublet_hub.host.own_shared_memory import in_own_shared_memory
from sublet_hub.jobs.backends.local.processes import Launch, start_held
from sublet_quota.wire.api import AccountTemplate

SHARED = Path("/dev/shm")  # noqa: S108 - what is looked at
SOMEBODY = 65534
MINE = f"sublet-mine-{uuid.uuid4().hex}"
"""Not the name of another run's, in which a process may have left it for everybody."""
TELLS = (
    "import json, os; f = os.statvfs('/dev/shm'); m = os.stat('/dev/shm');"
    f"open('/dev/shm/{MINE}', 'x').close();"
    "print(json.dumps([os.getuid(), os.listdir('/dev/shm'), f.f_blocks * f.f_frsize, m.st_mode]))"
)

as_root = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("setpriv") is None,
    reason="needs root, who alone may mount, and setpriv to be somebody else",
)


def told() -> Any:
    """What a process says that somebody else's account is started with."""
    python = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all"]
    command = ["/usr/bin/env", "python3", "-I", "-S", "-c", TELLS]
    done = subprocess.run([*python, *command], capture_output=True, check=True, text=True, cwd="/")
    return json.loads(done.stdout)


@pytest.fixture
def left_behind() -> Any:
    """A file of the machine's ``/dev/shm``."""
    file = SHARED / f"sublet-left-behind-{uuid.uuid4().hex}"
    file.touch()
    yield file.name
    file.unlink()


@pytest.fixture(autouse=True)
def nothing_stays() -> Any:
    """Remove what a process has left for everybody, where it had none of its own."""
    yield
    (SHARED / MINE).unlink(missing_ok=True)


@pytest.fixture
def readable() -> Any:
    """A folder that every account can read, as none of a test's are."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@as_root
def test_what_is_started_apart_sees_nothing_that_others_share_and_leaves_nothing(
    left_behind: str,
) -> None:
    for _ in range(2):
        # The first one's file would be in the way of the second one's.
        uid, seen, _, _ = in_own_shared_memory(told)
        assert (uid, seen) == (SOMEBODY, [MINE])
    assert (SHARED / left_behind).exists()
    assert not (SHARED / MINE).exists()


@as_root
def test_its_size_is_bounded_and_everybody_in_it_may_write() -> None:
    _, _, size, mode = in_own_shared_memory(told)
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    # In whole pages of the one and the other.
    assert 0 < size <= memory // 10 + 2**20
    assert mode & 0o7777 == 0o1777


@as_root
def test_a_job_of_another_account_has_shared_memory_of_its_own_and_one_of_ours_has_not(
    readable: Path,
) -> None:
    log = os.open(os.devnull, os.O_WRONLY)
    python = readable / "python"
    python.write_text("#!/bin/sh\nexec sleep 600\n")
    python.chmod(0o755)
    seen = {}
    for uid in (SOMEBODY, os.getuid()):
        account = AccountTemplate(uid=uid, gid=uid, home="/", notebook_dir="/", python=str(python))
        held = start_held(Launch(account, {"PATH": "/usr/bin:/bin"}, log, log), "boot")
        try:
            seen[uid] = Path(f"/proc/{held.child.pid}/root{SHARED}").stat().st_dev
        finally:
            held.give_up()
    os.close(log)
    assert seen[os.getuid()] == SHARED.stat().st_dev
    assert seen[SOMEBODY] != SHARED.stat().st_dev


@as_root
def test_who_may_not_mount_starts_all_the_same() -> None:
    program = (
        "from sublet_hub.host.own_shared_memory import in_own_shared_memory as apart;"
        "import os; print(apart(lambda: os.stat('/dev/shm').st_dev))"
    )
    without = ["setpriv", "--bounding-set=-sys_admin", "--inh-caps=-all"]
    command = [*without, sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, check=True, text=True)
    assert (int(done.stdout), done.stderr) == (SHARED.stat().st_dev, "")


def test_what_cannot_be_started_is_told_as_it_is() -> None:
    def fails() -> None:
        message = "no such program"
        raise FileNotFoundError(message)

    with pytest.raises(FileNotFoundError, match="no such program"):
        in_own_shared_memory(fails)
