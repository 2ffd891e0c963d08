"""A real systemd as process 1 of namespaces of its own, over this machine's files.

It sees the machine's root as it is, and what it changes there is gone with it (an overlay in
memory). Its control groups lie below one group of the machine's, its network is its own. Skips,
with the reason, where such namespaces cannot be had.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from sublet_agent.cgroups.trees import find_trees

SYSTEMD = Path("/usr/lib/systemd/systemd")
_PROGRAMS = ("curl", "unshare", "nsenter", "pivot_root", "systemctl", "systemd-run", "useradd")
_ROOT = Path(__file__).parents[2]
_WITHIN_S = 180.0
_BEGIN = r"""
set -eu
base=$1
mount --make-rprivate /
mount -t tmpfs tmpfs "$base"
mkdir "$base/upper" "$base/work" "$base/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$base/upper,workdir=$base/work" "$base/root"
cd "$base/root"
for other in $2; do mount --rbind "$other" ".$other"; done
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount --rbind /dev dev
mount -t tmpfs tmpfs run
# Nothing starts but what is asked for, and the journal.
rm -rf usr/lib/systemd/system/*.wants etc/systemd/system/*.wants
rm -f etc/fstab
wants=usr/lib/systemd/system/sysinit.target.wants
mkdir -p "$wants" etc/systemd/system mnt/before
for name in systemd-journald.socket systemd-journald.service; do ln -s ../$name "$wants/$name"; done
pivot_root . mnt/before
umount -l /mnt/before
exec env -i container=sublet-test PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    /usr/lib/systemd/systemd --system --log-target=null --show-status=no --unit=multi-user.target
"""


_UNSHARE = "unshare --cgroup --pid --mount --uts --ipc --net --fork --kill-child"
_IN_NAMESPACES = (
    "/bin/sh",
    "-c",
    f'echo $$ > "$3/cgroup.procs" && exec {_UNSHARE} /bin/sh -c "$0" systemd "$1" "$2"',
)


@dataclass(frozen=True)
class RealSystemd:
    """A systemd that runs, and what can be done beside it."""

    pid: int
    folder: Path
    """Where this machine's processes find its control groups."""

    def run(
        self, *command: object, check: bool = True, environment: Sequence[str] = ()
    ) -> subprocess.CompletedProcess[str]:
        """Run a command inside; return it with what it said."""
        enter = ["nsenter", f"--target={self.pid}", "--all", "--wdns=/"]
        told = ["env", *environment, *map(str, command)]
        done = subprocess.run([*enter, *told], capture_output=True, text=True, check=False)
        assert not check or done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done

    def said(self, *command: object) -> str:
        """Return what a command inside says."""
        return self.run(*command).stdout.strip()

    def write(self, path: str, text: str, mode: str = "0644") -> None:
        """Write a file inside."""
        enter = ["nsenter", f"--target={self.pid}", "--all", "--wdns=/"]
        subprocess.run(
            [*enter, "install", "-D", "-m", mode, "/dev/stdin", path],
            input=text,
            text=True,
            check=True,
        )

    def until(self, *command: object, within_s: float = _WITHIN_S) -> str:
        """Run a command inside until it succeeds; return what it said."""
        ends = time.monotonic() + within_s
        while True:
            done = self.run(*command, check=False)
            if done.returncode == 0:
                return done.stdout.strip()
            assert time.monotonic() < ends, f"{command}: {done.stdout}{done.stderr}"
            time.sleep(0.2)


@contextmanager
def real_systemd() -> Iterator[RealSystemd]:
    """Have a real systemd run while the block lasts."""
    tree = _needed()
    group = tree / f"sublet-test-{os.getpid()}"
    try:
        group.mkdir()
    except OSError as error:
        pytest.skip(f"no control group can be made for a systemd of its own: {error}")
    base = Path(tempfile.mkdtemp(prefix="sublet-systemd-"))
    process = subprocess.Popen(
        [*_IN_NAMESPACES, _BEGIN, str(base), " ".join(_other_mounts()), str(group)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield RealSystemd(_booted(process), group)
    finally:
        process.kill()
        process.communicate()
        _remove_groups(group)
        base.rmdir()


def _needed() -> Path:
    if os.geteuid() != 0:
        pytest.skip("needs root, to start a systemd in namespaces of its own")
    missing = [name for name in _PROGRAMS if shutil.which(name) is None]
    if missing or not SYSTEMD.exists():
        pytest.skip(f"there is no systemd here to be started ({', '.join(missing) or SYSTEMD})")
    trees = [tree.folder for tree in find_trees() if tree.version == 2 and tree.root == "/"]
    if not trees:
        pytest.skip("no control groups of version 2, which a systemd of its own needs")
    return trees[0]


def _other_mounts() -> list[str]:
    """Return what else is mounted that tests need: an overlay shows one file system alone."""
    needed = [Path(path).resolve() for path in (_ROOT, sys.prefix, sys.base_prefix)]
    mounted = {Path(part.mountpoint) for part in psutil.disk_partitions(all=True)}
    return [
        str(place)
        for place in sorted(mounted - {Path("/")})
        if any(path.is_relative_to(place) for path in needed)
    ]


def _booted(process: subprocess.Popen[str]) -> int:
    """Return the pid of a systemd that is up."""
    ends = time.monotonic() + _WITHIN_S
    while time.monotonic() < ends:
        if process.poll() is not None:
            assert process.stdout is not None
            pytest.skip(f"no systemd of its own can be had here: {process.stdout.read()[-300:]}")
        for child in psutil.Process(process.pid).children():
            asked = ["nsenter", f"--target={child.pid}", "--all", "systemctl", "is-system-running"]
            done = subprocess.run(asked, capture_output=True, text=True, check=False)
            if done.stdout.strip() in {"running", "degraded"}:
                return child.pid
        time.sleep(0.1)
    process.kill()
    said, _ = process.communicate()
    pytest.fail(f"systemd does not come up: {said[-2000:]}")


def _remove_groups(group: Path) -> None:
    ends = time.monotonic() + _WITHIN_S
    while group.exists():
        for folder, _, _ in sorted(os.walk(group), reverse=True):
            try:
                Path(folder).rmdir()
            except OSError:
                assert time.monotonic() < ends, f"{folder} stays"
        time.sleep(0.05)
