"""The agent beside thieves, beside what it cannot move, and on two cards: nobody loses a byte.

Run on every kind of card. What is held is a fifth of the card, and what is
promised nearly all of it: so that a real card moves it in seconds, and yet somebody must leave.
"""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sublet_quota.reasons.obstacles import Obstacle

from tests.gpu.conftest import REAL_PATIENCE_S, open_node
from tests.support.agent_world import (
    DIGEST,
    AgentWorld,
    Kernel,
    agent_beside,
    digest_and_compute_until,
)
from tests.support.control_groups import needs_freezer
from tests.support.fake_service_link import gpu_assignment, slice_assignment
from tests.support.grabbers import Grabber
from tests.support.thieves import Thief

ROUNDS = 4


class Shares:
    """What slices are promised and hold, in GiB of this card."""

    def __init__(self, world: AgentWorld) -> None:
        card = world.card_gib
        self.held = max(1, card // 5)
        self.owner = int(card * 0.6)
        self.job = card - self.held // 2
        """More than is free beside what an owner holds."""
        self.small = max(1, card // 40)


@pytest.fixture
def shares(world: AgentWorld) -> Shares:
    return Shares(world)


def lent_away(world: AgentWorld, shares: Shares, *others: Any) -> tuple[Kernel, str]:
    """Have an owner's slice, filled, lent to a job; returns its kernel and the hash."""
    world.serve(world.notebook("a", shares.owner), *others)
    ada = world.kernel("a")
    ada.enter()
    hers = ada.fill(shares.held, 1)
    world.serve_too(world.job("j", shares.job))
    world.until(lambda: world.report("j").gate_open and world.truth(ada.pid) == "checkpointed")
    return ada, hers


def until_seen(world: AgentWorld, shares: Shares) -> None:
    """Wait until the agent has seen what the owner holds: else a job could be promised that."""
    world.until(lambda: world.report("a").memory_mib >= shares.held * world.gib)


def test_idle_slices_are_lent_and_given_back_with_every_byte(world, shares, tmp_path) -> None:
    ada, hers = lent_away(world, shares)
    job = world.kernel("j")
    its = job.fill(shares.small, 2)
    rest = tmp_path / "rest"
    ada.begin_cell(digest_and_compute_until(rest))
    world.until(lambda: world.truth(job.pid) in {"locked", "checkpointed"})
    rest.touch()
    assert ada.end_cell() == hers
    world.until(lambda: world.report("j").gate_open)
    assert job.digest() == its


def test_who_comes_back_beside_a_thief_who_takes_all_it_can_loses_nothing(
    world, shares, tmp_path
) -> None:
    thief_slice = world.notebook("t", shares.small)
    ada, hers = lent_away(world, shares, thief_slice)
    kernel = world.kernel("t")
    thief = Thief(kernel, tmp_path / "rest")
    for _ in range(ROUNDS):
        # It may have been suspended with all that it held.
        kernel.enter()
        before = thief.stolen_mib
        thief.begin()
        world.until(lambda seen=before: thief.stolen_mib > seen)
        ada.begin_cell(DIGEST)
        # It may wait for as long as the thief holds all when it is looked for room.
        world.until(lambda: world.events("resumed", "a") or world.events("refused-move", "a"))
        thief.rest()
        assert ada.end_cell() == hers
        world.until(lambda: world.truth(ada.pid) == "checkpointed")
    assert not world.events("lost")


def test_who_comes_back_beside_processes_that_take_memory_when_they_are_born_loses_nothing(
    world, shares, tmp_path
) -> None:
    needs_freezer(tmp_path)
    ada, hers = lent_away(world, shares, world.notebook("g", shares.small))
    grabber = Grabber(world.kernel("g"), shares.small * world.gib, tmp_path / "rest")
    for _ in range(ROUNDS):
        grabber.begin()
        ada.begin_cell(DIGEST)
        world.until(lambda: world.events("resumed", "a") or world.events("refused-move", "a"))
        grabber.rest()
        assert ada.end_cell() == hers
        world.until(lambda: world.truth(ada.pid) == "checkpointed")
    assert not world.events("lost")


def test_a_slice_of_several_processes_moves_whole(world, shares, tmp_path) -> None:
    world.serve(world.notebook("a", shares.owner))
    kernels = [world.kernel("a") for _ in range(3)]
    hashes = []
    for number, kernel in enumerate(kernels):
        kernel.enter()
        hashes.append(kernel.fill(shares.held / 3, number))
    world.serve_too(world.job("j", shares.job))
    world.until(lambda: {world.truth(each.pid) for each in kernels} == {"checkpointed"})
    # The slice stays until the others have looked, too: the job would have it again.
    kernels[1].begin_cell(digest_and_compute_until(tmp_path / "looked"))
    assert [kernels[n].digest() for n in (0, 2)] == [hashes[n] for n in (0, 2)]
    (tmp_path / "looked").touch()
    assert kernels[1].end_cell() == hashes[1]


def test_managed_memory_stays_on_the_card_and_says_so(world, shares) -> None:
    world.serve(world.notebook("a", shares.owner))
    ada = world.kernel("a")
    ada.enter()
    ada.run(f"m = gpu.allocate_managed(gib={shares.held})")
    hers = ada.run("m.fill(5)")
    world.serve_too(world.job("j", shares.job))
    world.until(lambda: world.report("a").unsuspendable is not None)
    assert world.report("a").obstacle is Obstacle.NOT_SUPPORTED
    world.until(lambda: world.truth(ada.pid) == "running")
    assert not world.report("j").gate_open
    assert ada.run("m.sha256()") == hers


def test_memory_shared_by_cuda_ipc_is_seen_beforehand_and_never_suspended(world, shares) -> None:
    world.serve(world.notebook("a", shares.owner))
    ada, other = world.kernel("a"), world.kernel("a")
    ada.enter()
    hers = ada.fill(shares.held, 1)
    token = ada.run("held.share()")
    other.run(f"s = gpu.open_shared({token})")
    until_seen(world, shares)
    world.serve_too(world.job("j", shares.job))
    world.until(lambda: world.report("a").obstacle is Obstacle.CUDA_IPC)
    world.until_idle("a")
    assert not world.report("j").gate_open
    assert world.truth(ada.pid) == "running"
    assert ada.digest() == hers


@pytest.fixture
def mps(kind: str) -> Iterator[dict[str, str]]:
    """What a process needs to be a client of MPS."""
    if kind != "nvidia":
        yield {}
        return
    control = shutil.which("nvidia-cuda-mps-control")
    if control is None:
        pytest.skip("there is no nvidia-cuda-mps-control here")
    with tempfile.TemporaryDirectory(prefix="sublet-mps-") as folder:
        told = {"CUDA_MPS_PIPE_DIRECTORY": folder, "CUDA_MPS_LOG_DIRECTORY": folder}
        subprocess.run([control, "-d"], env=told, check=True)
        yield told
        subprocess.run([control], input="quit\n", text=True, env=told, check=False)


def test_a_client_of_mps_stays_on_the_card_and_says_so(world, shares, kind, mps) -> None:
    world.serve(world.notebook("a", shares.owner))
    ada = world.kernel("a", **mps)
    if kind == "simulated":
        ada.run("gpu.join_mps()")
    elif kind == "stand-in":
        ada.run("gpu.memory_info()")
        world.gpus.stand_in.make_mps_client(ada.pid)
    ada.enter()
    hers = ada.fill(shares.held, 1)
    until_seen(world, shares)
    world.serve_too(world.job("j", shares.job))
    world.until(lambda: world.report("a").obstacle in {Obstacle.MPS, Obstacle.NOT_SUPPORTED})
    world.until_idle("a")
    assert world.truth(ada.pid) != "checkpointed"
    assert not world.report("j").gate_open
    assert ada.digest() == hers


def test_two_cards_are_lent_and_given_back_each_for_itself(kind: str, tmp_path: Path) -> None:
    with (
        open_node(kind, cards=2) as node,
        agent_beside(node, tmp_path, "--SubletAgent.tick_s=0.1") as world,
    ):
        world.patience_s = REAL_PATIENCE_S
        shares = Shares(world)
        cards = [gpu.gpu_id for gpu in node.device.gpus()][:2]
        world.service.gpus = tuple(gpu_assignment(card, idle_after_s=0.5) for card in cards)
        world.serve_too(
            *(
                slice_assignment(f"a{number}", card, shares.owner * world.gib)
                for number, card in enumerate(cards)
            )
        )
        owners = [
            world.kernel(f"a{n}", SUBLET_GPU_ID=card, CUDA_VISIBLE_DEVICES=card)
            for n, card in enumerate(cards)
        ]
        hashes = []
        for number, owner in enumerate(owners):
            owner.enter()
            hashes.append(owner.fill(shares.held, number))
        world.serve_too(
            *(
                slice_assignment(f"j{number}", card, shares.job * world.gib, holder="job")
                for number, card in enumerate(cards)
            )
        )
        world.until(lambda: {world.truth(each.pid) for each in owners} == {"checkpointed"})
        for owner in owners:
            owner.begin_cell(DIGEST)
        assert [owner.end_cell() for owner in owners] == hashes
