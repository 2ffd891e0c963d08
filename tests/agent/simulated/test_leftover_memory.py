"""Whether one account's bytes are found in memory that another is given next (THREATS 5).

The same as ``tests/gpu/test_leftover_memory.py`` asks of a real card; and with the hazard, on which
the agent's own trial of a card must strike.
"""

import os

import pytest

from tests.support.simulated_gpus import simulated_gpus

MARK = bytes(range(200, 232))

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="needs root to start other users")


@pytest.fixture
def gpus():
    with simulated_gpus("--scale", "16384") as made:
        yield made


def end_by_free(_gpus, owner):
    owner.run("b.free()")


def end_by_kill(gpus, owner):
    owner.kill()
    gpus.device.processes(gpus.gpu_id)


def end_by_suspend(gpus, owner):
    gpus.device.pause(owner.pid, 5000)
    gpus.device.suspend(owner.pid)


@pytest.mark.parametrize("is_left", [False, True], ids=["as drivers do", "the hazard"])
@pytest.mark.parametrize("end", [end_by_free, end_by_kill, end_by_suspend])
def test_another_user_finds_only_what_a_driver_leaves(gpus, end, is_left):
    gpus.administration.leave_memory(left=is_left)
    owner, stranger = gpus.tenant(uid=65533), gpus.tenant(uid=65534)
    stranger.run("gpu.memory_info()")
    owner.run(f"b = gpu.allocate(gib=8); b.write(0, {MARK!r} * (b.length // {len(MARK)}))")
    end(gpus, owner)
    stranger.run(f"s = gpu.allocate(mib={gpus.device.memory(gpus.gpu_id).free_mib - 1024})")
    assert stranger.run(f"{MARK!r} in s.read()") == repr(is_left)
