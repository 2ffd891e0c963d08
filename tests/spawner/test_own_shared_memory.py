"""A server that is no systemd unit shares by name with nobody else on its machine."""

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sublet_spawner.local import LocalSliceSpawner
from sublet_spawner.own_shared_memory import with_own_shared_memory

from tests.spawner.spawners import a_spawner
from tests.support.fake_service import fake_service

SHARED = Path("/dev/shm")  # noqa: S108 - what is looked at
SOMEBODY = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, who alone may mount")


@contextmanager
def started(before: Callable[[], None]) -> Iterator[Path]:
    """What a process that began so sees at ``/dev/shm``."""
    command = ["/bin/sleep", "600"]
    with subprocess.Popen(command, preexec_fn=before) as process:  # noqa: PLW1509 - as JupyterHub
        try:
            yield Path(f"/proc/{process.pid}/root{SHARED}")
        finally:
            process.kill()


def is_its_own(seen: Path) -> bool:
    """Whether it is another than the machine's, and nothing is in it."""
    return seen.stat().st_dev != SHARED.stat().st_dev and not list(seen.iterdir())


def owner_of_process(seen: Path) -> int:
    """Return the account of the process that sees this."""
    return seen.parents[2].stat().st_uid


@as_root
@pytest.mark.asyncio
async def test_a_server_that_is_no_unit_has_shared_memory_of_its_own_and_is_its_users(
    tmp_path: Path,
) -> None:
    async with fake_service(tmp_path) as service:
        spawner = a_spawner(service, tmp_path, LocalSliceSpawner)
        with started(spawner.make_preexec_fn("nobody")) as seen:
            assert is_its_own(seen)
            assert owner_of_process(seen) == SOMEBODY


@as_root
def test_two_of_them_have_one_each_of_a_bounded_size() -> None:
    def nothing_more() -> None:
        """Stay who one is."""

    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    before = with_own_shared_memory(nothing_more)
    with started(before) as one, started(before) as other:
        assert len({one.stat().st_dev, other.stat().st_dev, SHARED.stat().st_dev}) == 3
        size = os.statvfs(one)
        # In whole pages of the one and the other.
        assert 0 < size.f_blocks * size.f_frsize <= memory // 10 + 2**20
        assert one.stat().st_mode & 0o7777 == 0o1777


@as_root
def test_where_it_may_not_mount_a_server_starts_with_the_machines() -> None:
    def nothing_more() -> None:
        """Stay who one is."""

    def without_rights() -> None:
        os.setresuid(SOMEBODY, SOMEBODY, SOMEBODY)
        with_own_shared_memory(nothing_more)()

    with started(without_rights) as seen:
        assert seen.stat().st_dev == SHARED.stat().st_dev
