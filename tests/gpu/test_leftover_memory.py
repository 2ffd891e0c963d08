"""Whether one user's bytes can be found in memory that another user is given next (THREATS 5).

A hit forbids lending between owners on such a card.
"""

import os
import signal

import pytest

from tests.support.nvidia_node import NvidiaNode
from tests.support.tenants import Tenant

CANARY = 0x5EC2E7A1
OWNER, STRANGER = 65533, 65534
LEFT_MIB = 3 * 1024

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(os.getuid() != 0, reason="needs root to start other users"),
]


def end_by_free(node: NvidiaNode, owner: Tenant) -> None:
    del node
    owner.run("b.free()")


def end_by_kill(node: NvidiaNode, owner: Tenant) -> None:
    del node
    os.kill(owner.pid, signal.SIGKILL)
    owner.process.wait()


def end_by_suspend(node: NvidiaNode, owner: Tenant) -> None:
    node.device.pause(owner.pid, 5000)
    node.device.suspend(owner.pid)


@pytest.mark.parametrize("end", [end_by_free, end_by_kill, end_by_suspend])
def test_another_user_finds_nothing_of_what_was_there(node: NvidiaNode, end) -> None:
    owner, stranger = node.tenant(uid=OWNER), node.tenant(uid=STRANGER)
    owner.run(f"b = gpu.allocate(gib=8); b.put_everywhere({CANARY})")
    assert owner.run(f"b.holds({CANARY})") == "True"
    stranger.run("gpu.memory_info()")
    end(node, owner)
    free = node.device.memory(node.device.gpus()[0].gpu_id).free_mib
    stranger.run(f"s = gpu.allocate(mib={free - LEFT_MIB})")
    assert stranger.run(f"s.holds({CANARY})") == "False"
