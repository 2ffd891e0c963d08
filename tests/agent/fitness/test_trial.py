"""The canary is moved out and back: whatever goes wrong with it is told, and harms nobody else."""

import json
import os
import signal

import pytest
from sublet_agent.fitness import trial
from sublet_agent.fitness.canary import CLEAN
from sublet_agent.fitness.trial import Canary, TrialLimits
from sublet_agent.simulated.machine.card import CardSetup, ComputeMode
from sublet_agent.simulated.machine.operations import OperationKind
from sublet_agent.simulated.protocol.errors import CudaCode
from sublet_quota.reasons.fitness import Unfit, UnfitReason

from tests.support.trials import LIMITS

QUICK = TrialLimits(start_s=60, move_s=1)
STEADY = TrialLimits(start_s=60, move_s=5)
"""Half of it is for trying again, the rest for a busy machine."""


def test_a_card_that_moves_memory_out_and_back_passes_and_is_left_as_it_was(bench):
    assert bench.try_card() is None
    canary = bench.canaries[0]
    assert not any(map(bench.table.is_alive, bench.canaries))
    ended = {each.pid: each for each in bench.gpus.administration.inspect().ended}
    assert ended[canary.pid].lost is None
    assert bench.tools.host.free_mib() == 10**6
    assert bench.tools.paused_processes.of(canary) == frozenset()
    memory = bench.gpus.device.memory(bench.gpu_id)
    assert memory.used_mib == 0


@pytest.mark.parametrize(
    ("operation", "code", "why"),
    [
        (OperationKind.LOCK, CudaCode.NOT_READY, Unfit.CANARY_NOT_MOVED),
        (OperationKind.LOCK, CudaCode.NOT_SUPPORTED, Unfit.CANARY_NOT_MOVED),
        (OperationKind.CHECKPOINT, CudaCode.OPERATING_SYSTEM, Unfit.CANARY_NOT_MOVED),
        (OperationKind.CHECKPOINT, CudaCode.NOT_SUPPORTED, Unfit.CANARY_NOT_MOVED),
    ],
)
def test_what_the_driver_refuses_is_told(bench, operation, code, why):
    bench.gpus.administration.fail(operation, code)
    failure = bench.try_card()
    assert failure.why is why
    assert failure.detail


def test_a_restore_that_poisons_is_told(bench):
    bench.gpus.administration.poison_restore()
    failure = bench.try_card(STEADY)
    assert failure.why is Unfit.CANARY_LOST
    assert "error 304" in failure.detail


def test_an_error_of_a_restore_that_passes_is_no_failure(bench):
    bench.gpus.administration.fail(OperationKind.RESTORE, CudaCode.OPERATING_SYSTEM)
    assert bench.try_card() is None


def test_bytes_that_come_back_changed_are_told(bench):
    bench.gpus.administration.corrupt_restore()
    assert bench.try_card().why is Unfit.CANARY_CHANGED


def test_a_card_whose_memory_others_can_read_afterwards_is_told(bench):
    bench.gpus.administration.leave_memory()
    assert bench.try_card().why is Unfit.MEMORY_LEFT


def test_also_who_cannot_be_another_account_looks_for_what_is_left(bench, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 54321)
    bench.gpus.administration.leave_memory()
    assert bench.try_card().why is Unfit.MEMORY_LEFT


def test_so_does_one_who_may_not_be_another_account(bench, monkeypatch):
    monkeypatch.setattr(trial, "_NOBODY", 2**40)
    assert bench.try_card() is None
    bench.gpus.administration.leave_memory()
    assert bench.try_card().why is Unfit.MEMORY_LEFT


@pytest.mark.skipif(os.geteuid() != 0, reason="to be another account needs root")
def test_who_looks_is_another_account(bench):
    canary = Canary("simulated", dict(bench.gpus.device.client_environment(bench.gpu_id)), 65534)
    try:
        assert canary.ask(f"seek {bytes(16).hex()[:-2]}ff", LIMITS.start_s) == CLEAN
        assert bench.table.uid(canary.pid) == 65534
    finally:
        canary.end()


@pytest.mark.parametrize("operation", [OperationKind.CHECKPOINT, OperationKind.RESTORE])
def test_a_driver_that_hangs_is_told_in_time_and_the_neighbours_go_on(bench, operation):
    neighbour = bench.neighbour()
    neighbour.run("b = gpu.allocate(gib=2); h = b.fill(1)")
    bench.gpus.administration.delay(operation, 3600)
    failure = bench.try_card(QUICK)
    assert failure.why is Unfit.CANARY_STUCK
    assert neighbour.run("b.sha256() == h") == "True"
    assert bench.tools.paused_processes.of(bench.owners[neighbour.pid].identity) == frozenset()


def test_neighbours_stand_still_for_it_and_are_as_they_were(bench):
    neighbour = bench.neighbour()
    neighbour.run("b = gpu.allocate(gib=2); h = b.fill(1)")
    assert bench.try_card() is None
    lines = (bench.folder / "journal.jsonl").read_text().splitlines()
    steps = [line["step"] for line in map(json.loads, lines) if line["slice"] == "n"]
    assert steps == ["pausing", "unpausing", "running"]
    assert bench.gpus.administration.inspect(verify=True).lost == ()
    assert neighbour.run("b.sha256() == h") == "True"


def test_beside_a_process_of_no_slice_it_is_not_brought_back(bench):
    stranger = bench.gpus.tenant(SUBLET_GPU_ID=bench.gpu_id)
    stranger.run("b = gpu.allocate(gib=1)")
    failure = bench.try_card(STEADY)
    assert failure.why is Unfit.CANARY_NOT_MOVED
    assert "belongs to no slice" in failure.detail
    assert stranger.run("b.mib") == "1024"


def test_a_card_that_the_canary_cannot_use_is_told_in_the_drivers_words(bench):
    setup = CardSetup(compute_mode=ComputeMode.PROHIBITED)
    bench.gpus.administration.set_up(bench.gpu_id, setup)
    failure = bench.try_card()
    assert failure.why is Unfit.CANARY_NOT_STARTED
    assert "is unavailable: its mode is prohibited" in failure.detail


def test_the_canary_is_on_the_card_that_is_tried(bench):
    first, second = (gpu.gpu_id for gpu in bench.gpus.device.gpus())
    setup = CardSetup(compute_mode=ComputeMode.PROHIBITED)
    bench.gpus.administration.set_up(second, setup)
    assert bench.gpu_id == first
    assert bench.try_card() is None


def test_one_that_ends_before_it_has_looked_for_leftovers_is_told_as_that(bench, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 54321)

    def end_the_seeker(number):
        if number == 2:
            os.kill(bench.canaries[-1].pid, signal.SIGKILL)

    bench.when_started = end_the_seeker
    failure = bench.try_card()
    assert failure == UnfitReason(Unfit.CANARY_NOT_STARTED, "it ended before it answered")


def test_a_trial_that_is_given_up_before_it_begins_starts_nothing(bench):
    tried = bench.trial()
    tried.give_up.set()
    assert trial.try_card(tried) == UnfitReason(Unfit.CANARY_NOT_STARTED, "the trial was given up")
    assert bench.canaries == []


@pytest.mark.parametrize("number", [1, 2])
def test_whoever_is_started_as_a_trial_is_given_up_is_asked_nothing_and_is_the_last(bench, number):
    tried = bench.trial()
    bench.when_started = lambda started: tried.give_up.set() if started == number else None
    assert trial.try_card(tried) == UnfitReason(Unfit.CANARY_NOT_STARTED, "the trial was given up")
    assert len(bench.canaries) == number
    assert not any(map(bench.table.is_alive, bench.canaries))
    assert bench.canaries[-1].pid not in {
        each.pid for each in bench.gpus.administration.inspect().ended
    }
