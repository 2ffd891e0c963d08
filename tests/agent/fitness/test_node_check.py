"""What an admin reads before anything is installed, and the exit code that a script goes by."""

import subprocess
import sys

import pytest
from sublet_agent.fitness.node_check import check_node
from sublet_agent.simulated.machine.card import CardSetup, ComputeMode, Figure
from sublet_quota.reasons.fitness import Unfit

from tests.support.trials import LIMITS

OF_A_TRIAL = 2
"""The canary, and who looks for what it left."""


def reasons(checked):
    return [[reason.why for reason in card.reasons] for card in checked.cards]


def test_cards_that_are_fit_are_said_to_be_and_were_tried(gpus):
    checked = check_node(gpus.device, LIMITS)
    assert checked.fit
    assert reasons(checked) == [[], []]
    assert checked.text.count("is fit to be lent.") == 2
    assert checked.text.count("8 MiB, unchanged, in ") == 2
    assert "SIMULATED" in checked.text
    assert len(gpus.administration.inspect().ended) == 2 * OF_A_TRIAL


@pytest.mark.parametrize(
    ("setup", "driver", "why", "says"),
    [
        (CardSetup(), "610.57.04", Unfit.DRIVER, "install another version"),
        (CardSetup(persistent=False), "580.1", Unfit.DRIVER_UNLOADS, "nvidia-persistenced"),
        (CardSetup(persistent=None), "580.1", Unfit.DRIVER_UNLOADS, "is not told"),
        (CardSetup(mps=True), "580.1", Unfit.MPS, "would be pause-only"),
        (
            CardSetup(compute_mode=ComputeMode.EXCLUSIVE),
            "580.1",
            Unfit.EXCLUSIVE,
            "would be closed",
        ),
        (CardSetup(split=True), "580.1", Unfit.SPLIT, "is left out"),
    ],
)
def test_a_card_that_is_not_set_up_well_is_told_with_what_helps_and_not_tried(
    gpus, setup, driver, why, says
):
    first = gpus.gpu_id
    gpus.administration.set_up(first, setup, driver=driver)
    checked = check_node(gpus.device, None)
    assert not checked.fit
    assert reasons(checked)[0] == [why]
    assert says in checked.text
    assert checked.text.count("NOT FIT") == 1 + (driver != "580.1")


@pytest.mark.parametrize("figure", [Figure.MEMORY, Figure.PROCESSES])
def test_a_card_that_cannot_be_read_is_not_tried(gpus, figure):
    gpus.administration.silence(gpus.gpu_id, figure)
    checked = check_node(gpus.device, LIMITS)
    # Where processes cannot be listed, nobody knows whether those of other cards are there, too.
    others = [] if figure is Figure.MEMORY else [Unfit.CANARY_NOT_MOVED]
    assert reasons(checked) == [[Unfit.UNREADABLE], others]
    tried = 1 if others else OF_A_TRIAL
    assert len(gpus.administration.inspect().ended) == tried


def test_a_card_that_others_use_is_not_tried_and_they_are_named(gpus):
    tenant = gpus.tenant(SUBLET_GPU_ID=gpus.gpu_id)
    tenant.run("b = gpu.allocate(mib=8); h = b.fill(1)")
    checked = check_node(gpus.device, LIMITS)
    assert reasons(checked) == [[Unfit.OCCUPIED], []]
    assert f"{tenant.pid} python" in checked.text
    assert tenant.run("b.sha256() == h") == "True"


def test_a_notebook_with_a_slice_is_nobody_to_be_ended(gpus):
    tenant = gpus.tenant(SUBLET_GPU_ID=gpus.gpu_id, SUBLET_SLICE_ID="ada-1")
    tenant.run("b = gpu.allocate(mib=8); h = b.fill(1)")
    checked = check_node(gpus.device, LIMITS)
    assert checked.fit
    assert f"{tenant.pid} python" in checked.text
    assert "(ada-1)" in checked.text
    assert "end them" not in checked.text
    assert checked.text.count("not tried beside slices") == 1
    assert tenant.run("b.sha256() == h") == "True"


def test_a_failing_trial_is_told(gpus):
    gpus.administration.corrupt_restore()
    checked = check_node(gpus.device, LIMITS)
    assert reasons(checked) == [[Unfit.CANARY_CHANGED], []]
    assert "came back changed" in checked.text


@pytest.mark.parametrize("fit", [True, False])
def test_the_command_says_so_by_its_exit_code_and_leaves_nothing(gpus, tmp_path, *, fit):
    if not fit:
        gpus.administration.set_up(gpus.gpu_id, CardSetup(mps=True))
    state = tmp_path / "state"
    command = [
        *(sys.executable, "-m", "sublet_agent.app.application", "--check"),
        *(f"--simulated-socket={gpus.socket}", "--device=simulated", f"--state-folder={state}"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == (0 if fit else 1), done.stderr
    assert done.stdout.count("is fit to be lent.") == (2 if fit else 1)
    assert not state.exists()


def test_a_machine_without_gpus_is_not_fit(tmp_path):
    socket = f"--simulated-socket={tmp_path / 'none.sock'}"
    command = [sys.executable, "-m", "sublet_agent.app.application", "--check", socket]
    done = subprocess.run(
        [*command, "--device=simulated"], capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 1
    assert "not fit to be lent: " in done.stderr
