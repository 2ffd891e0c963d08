"""Each hazard of GPU_FACTS.md, on the physics alone."""

import math

import pytest
from sublet_agent.simulated.machine.card import CardSetup, ComputeMode
from sublet_agent.simulated.machine.fault_plan import PlannedFault
from sublet_agent.simulated.machine.operations import OperationKind
from sublet_agent.simulated.machine.speeds import Speeds

from tests.support.memory_patterns import pattern_sha256
from tests.support.simulated_machine import USER, Bench

GIB = 1024
CONTEXT = 512


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_restore_without_room_poisons_the_process_for_ever(bench: Bench) -> None:
    victim, thief = bench.tenant(1), bench.tenant(2)
    victim.allocate(1, 30 * GIB)
    bench.suspend(1)
    thief.allocate(1, 60 * GIB)

    first = bench.restore(1)
    assert first.code == 2
    assert bench.state(1) == "checkpointed"

    thief.free(1)
    later = bench.restore(1)
    assert later.code == 304
    assert bench.state(1) == "checkpointed"
    assert victim.process.poisoned is not None


def test_a_lost_card_takes_a_process_with_it_that_was_on_another_first() -> None:
    bench = Bench(gpus=2)
    tenant = bench.tenant(1)
    tenant.allocate(1, GIB)
    tenant.on("SIM-1").allocate(2, GIB)
    bench.machine.lose_card(bench.machine.card("SIM-1"), "off the bus")
    assert bench.state(1) == "failed"


def test_a_restore_can_be_made_to_change_a_byte_and_say_nothing(bench: Bench) -> None:
    tenant = bench.tenant(1)
    tenant.allocate(1, GIB)
    wrote = tenant.fill(1, 7).result
    bench.suspend(1)
    bench.machine.faults.faults.append(PlannedFault(OperationKind.RESTORE, corrupts=True))
    assert bench.restore(1).ok
    bench.unlock(1)
    assert tenant.sha256(1).result != wrote


@pytest.mark.parametrize(
    ("mode", "codes"), [("exclusive-process", [None, 46]), ("prohibited", [46, 46])]
)
def test_a_card_in_another_mode_takes_one_process_or_none(
    bench: Bench, mode: str, codes: list[int | None]
) -> None:
    bench.card.setup = CardSetup(compute_mode=ComputeMode(mode))
    assert [bench.tenant(pid).memory_info().code for pid in (1, 2)] == codes


def test_a_restore_without_room_fails_within_ten_milliseconds() -> None:
    bench = Bench(Speeds())
    bench.tenant(1).allocate(1, 30 * GIB)
    bench.suspend(1)
    bench.tenant(2).allocate(1, 60 * GIB)
    began = bench.machine.time_s
    reply = bench.restore(1)
    bench.pass_time(1)
    assert reply.at_s == pytest.approx(began + 0.010)


def test_room_that_is_taken_while_a_restore_is_under_way_poisons_too() -> None:
    bench = Bench(Speeds())
    victim, thief = bench.tenant(1), bench.tenant(2)
    victim.allocate(1, 30 * GIB)
    victim.allocate(2, 30 * GIB)
    bench.suspend(1)
    thief.memory_info()
    reply = bench.restore(1)
    bench.pass_time(0.5)
    thief.allocate(1, 30 * GIB)
    bench.pass_time(60)
    assert reply.code == 2
    assert victim.process.poisoned is not None
    assert bench.free_mib == (80 - 30) * GIB - CONTEXT


def test_the_importer_of_cuda_ipc_memory_can_be_suspended_but_never_restored(
    bench: Bench,
) -> None:
    parent, child = bench.tenant(1), bench.tenant(2)
    parent.allocate(1, GIB)
    child.open_shared(1, parent.share(1))
    for pid in (1, 2):
        bench.suspend(pid)
    assert bench.restore(1).ok
    assert bench.restore(2).code == 1
    assert bench.restore(2).code == 304
    assert child.process.poisoned is not None


def test_the_importer_is_the_one_that_is_lost_also_when_it_is_restored_first(
    bench: Bench,
) -> None:
    parent, child = bench.tenant(1), bench.tenant(2)
    parent.allocate(1, GIB)
    child.open_shared(1, parent.share(1))
    for pid in (1, 2):
        bench.suspend(pid)
    assert bench.restore(2).code == 1
    assert bench.restore(1).ok


def test_managed_memory_is_not_checkpointed_and_leaves_the_process_locked(bench: Bench) -> None:
    tenant = bench.tenant(1)
    tenant.allocate(1, GIB, managed=True)
    tenant.fill(1, 7)
    bench.lock(1)
    assert bench.checkpoint(1).code == 801
    assert bench.state(1) == "locked"
    assert bench.unlock(1).ok
    hashed = tenant.sha256(1)
    assert hashed.result == {"sha256": pattern_sha256(7, GIB * 1024)}


def test_an_mps_client_can_be_neither_locked_nor_checkpointed(bench: Bench) -> None:
    tenant = bench.tenant(1)
    tenant.join_mps()
    assert bench.lock(1).code == 801
    assert bench.checkpoint(1).code == 801
    assert bench.state(1) == "running"


def test_an_mps_client_is_kept_to_its_limit(bench: Bench) -> None:
    tenant = bench.tenant(1)
    tenant.join_mps(limit_mib=10 * GIB)
    assert tenant.allocate(1, 9 * GIB).ok
    assert tenant.allocate(2, GIB).code == 2


def test_an_endless_kernel_makes_a_lock_time_out_and_the_process_runs_on() -> None:
    bench = Bench(Speeds())
    tenant = bench.tenant(1)
    tenant.compute(math.inf, math.inf, wait=False)
    bench.pass_time(0.1)
    reply = bench.lock(1, timeout_ms=200)
    waiting = tenant.memory_info()
    bench.pass_time(1)
    assert reply.code == 600
    assert reply.at_s == pytest.approx(0.3)
    assert bench.state(1) == "running"
    assert waiting.ok


def test_a_lock_with_timeout_zero_waits_for_ever() -> None:
    bench = Bench(Speeds())
    bench.tenant(1).compute(math.inf, math.inf, wait=False)
    reply = bench.lock(1, timeout_ms=0)
    bench.pass_time(24 * 3600)
    assert not reply.done


def test_the_image_counts_as_host_memory_of_the_target(bench: Bench) -> None:
    bench.tenant(1).allocate(1, 3 * GIB)
    bench.suspend(1)
    assert bench.machine.processes[1].image_mib == 3 * GIB + CONTEXT
    bench.restore(1)
    assert bench.machine.processes[1].image_mib == 0


def test_a_suspend_beyond_the_targets_host_memory_limit_kills_it() -> None:
    bench = Bench(Speeds())
    tenant = bench.tenant(1)
    tenant.allocate(1, 30 * GIB)
    tenant.process.host_limit_mib = 6 * GIB
    bench.lock(1)
    bench.pass_time(1)
    reply = bench.checkpoint(1)
    bench.pass_time(1.9)
    assert bench.host.killed == []
    bench.pass_time(0.2)
    assert bench.host.killed == [1]
    assert reply.code == 304
    assert bench.free_mib == 80 * GIB


def test_a_suspended_process_place_is_scrambled_and_given_to_others(bench: Bench) -> None:
    owner = bench.tenant(1)
    owner.allocate(1, 70 * GIB)
    owner.fill(1, 7)
    written = owner.read(1, 0, 4096).payload
    assert written in bytes(bench.card.store.memory)
    bench.suspend(1)
    assert written[:64] not in bytes(bench.card.store.memory)
    assert bench.tenant(2).allocate(1, 75 * GIB).ok


def test_bytes_come_back_intact_although_they_lie_elsewhere(bench: Bench) -> None:
    owner, other = bench.tenant(1), bench.tenant(2)
    owner.allocate(1, 20 * GIB)
    owner.fill(1, 11)
    was = owner.process.buffers[1].place
    bench.suspend(1)
    other.allocate(1, 30 * GIB)
    other.fill(1, 12)
    assert bench.restore(1).ok
    assert bench.unlock(1).ok
    assert owner.sha256(1).result == {"sha256": pattern_sha256(11, 20 * GIB * 1024)}
    assert other.sha256(1).result == {"sha256": pattern_sha256(12, 30 * GIB * 1024)}
    now = owner.process.buffers[1].place
    assert was is not None
    assert now is not None
    assert now.extents != was.extents


def test_another_user_may_not_act_on_a_process(bench: Bench) -> None:
    bench.tenant(1).allocate(1, GIB)
    assert bench.operate(OperationKind.LOCK, 1, uid=USER + 1).code == 304
    assert bench.operate(OperationKind.STATE, 1, uid=USER + 1).code == 304
    assert bench.operate(OperationKind.LOCK, 1, uid=USER).ok


def test_a_process_without_cuda_is_error_3_and_no_process_is_error_304(bench: Bench) -> None:
    bench.host.uids[5] = USER
    assert bench.lock(5).code == 3
    assert bench.lock(6).code == 304


def test_reading_memory_whose_owner_was_suspended_loses_the_importers_context(
    bench: Bench,
) -> None:
    parent, child = bench.tenant(1), bench.tenant(2)
    parent.allocate(1, GIB)
    child.open_shared(1, parent.share(1))
    bench.suspend(1)
    assert child.read(1, 0, 16).code == 700
    assert child.memory_info().code == 700


def test_another_user_cannot_open_shared_memory(bench: Bench) -> None:
    owner, stranger = bench.tenant(1), bench.tenant(2, uid=USER + 1)
    owner.allocate(1, GIB)
    assert stranger.open_shared(1, owner.share(1)).code == 400


def test_a_process_on_two_cards_is_moved_whole_and_needs_room_on_both() -> None:
    bench = Bench(gpus=2)
    one, other = bench.machine.cards.values()
    both = bench.tenant(1, gpu="SIM-0")
    both.allocate(1, 10 * GIB)
    both.on("SIM-1").allocate(2, 20 * GIB)
    used = [10 * GIB + CONTEXT, 20 * GIB + CONTEXT]
    assert [one.used_mib, other.used_mib] == used
    bench.suspend(1)
    assert [one.used_mib, other.used_mib] == [0, 0]
    bench.restore(1)
    assert [one.used_mib, other.used_mib] == used
    bench.checkpoint(1)
    bench.tenant(2, gpu="SIM-1").allocate(1, 70 * GIB)
    assert bench.restore(1).code == 2
    assert both.process.poisoned is not None
    assert [one.used_mib, other.used_mib] == [0, 70 * GIB + CONTEXT]


def test_a_process_on_two_cards_is_lost_with_either() -> None:
    bench = Bench(gpus=2)
    both = bench.tenant(1, gpu="SIM-0")
    both.allocate(1, GIB)
    both.on("SIM-1").allocate(2, GIB)
    bench.machine.lose_card(bench.machine.card("SIM-1"), "test")
    assert bench.state(1) == "failed"
    bench.machine.end(1, "killed")
    assert bench.free_mib == 80 * GIB
