"""The units are right by systemd's own judgement, and hide no GPU from whoever needs one."""

import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import PurePosixPath

import pytest
from sublet_hub.installation.units import agent_unit, service_unit, simulated_unit

from tests.support.installing import a_hub, chosen, packages

UNITS = {
    "sublet-hub.service": service_unit,
    "sublet-agent.service": agent_unit,
    "sublet-simulated-gpus.service": simulated_unit,
}
HIDES_GPUS = re.compile(r"^(PrivateDevices|ProtectClock|DeviceAllow|DevicePolicy)=", re.MULTILINE)


ANALYZE = shutil.which("systemd-analyze")
NEEDS_SYSTEMD = pytest.mark.skipif(
    ANALYZE is None, reason="systemd-analyze is not here to judge units"
)


def own_version():
    """The version of the systemd that judges."""
    said = subprocess.check_output([ANALYZE, "--version"], text=True)
    return int(said.split()[1])


def judgement(files):
    """What systemd says of units of ours, and its exit status."""
    command = [ANALYZE, "verify", "--man=no", "--recursive-errors=no", *files]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return [line for line in done.stderr.splitlines() if "sublet" in line], done.returncode


@NEEDS_SYSTEMD
@pytest.mark.parametrize("device", ["nvidia", "simulated"])
def test_systemd_finds_nothing_wrong_with_them(tmp_path, device):
    python = PurePosixPath(sys.executable)
    choices = chosen(a_hub(environment=packages(python)), device=device)
    choices = replace(choices, systemd_version=own_version())
    files = []
    for name, text_of in UNITS.items():
        if device == "simulated" or text_of is not simulated_unit:
            files.append(tmp_path / name)
            files[-1].write_text(text_of(choices))
    assert judgement(files) == ([], 0)


@NEEDS_SYSTEMD
def test_systemd_tells_what_is_wrong(tmp_path):
    wrong = tmp_path / "sublet-wrong.service"
    wrong.write_text(service_unit(chosen()).replace("KillMode=", "KilMode="))
    said, _ = judgement([wrong])
    assert any("'KilMode'" in line for line in said)


@pytest.mark.parametrize("text_of", UNITS.values())
def test_no_unit_hides_the_gpus(text_of):
    assert not HIDES_GPUS.search(text_of(chosen(device="simulated")))


def test_a_pause_grows_where_systemd_can():
    choices = chosen()
    assert "RestartMaxDelaySec=10s" in agent_unit(choices)
    choices = replace(choices, systemd_version=253)
    assert "RestartSteps" not in agent_unit(choices)
    assert "RestartSec=5s" in agent_unit(choices)


def test_jobs_outlive_the_service_and_have_none_of_its_rights():
    text = service_unit(chosen())
    assert "KillMode=process" in text
    assert "NoNewPrivileges=yes" in text
    assert not re.search(r"^(ProtectHome|PrivateTmp|MemoryDenyWriteExecute)=", text, re.MULTILINE)


@pytest.mark.parametrize("text_of", UNITS.values())
def test_no_unit_leaves_core_dumps(text_of):
    assert "\nLimitCORE=0\n" in text_of(chosen(device="simulated"))


def test_what_is_suspended_of_a_job_is_not_written_to_disk():
    assert "\nMemorySwapMax=0\n" in service_unit(chosen())


def test_jobs_do_not_share_memory_with_the_machine_or_with_servers():
    assert "\nTemporaryFileSystem=/dev/shm:mode=1777\n" in service_unit(chosen())


def test_the_driver_is_loaded_before_the_agent_where_there_is_a_program_for_it():
    choices = chosen()
    assert "nvidia-modprobe" not in agent_unit(choices)
    choices = replace(choices, has_nvidia_modprobe=True)
    assert "ExecStartPre=-+/usr/bin/nvidia-modprobe" in agent_unit(choices)
