"""Where PyTorch for the examples comes from: `.ci/install-pytorch` on made-up machines."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / ".ci" / "install-pytorch"
STUB = """#!/bin/sh
case "$*" in
    *_base_executable*) echo "{own}" ;;
    *find_spec*) {finds} ;;
    *) echo "$*" >> "{asked}"; exit {status} ;;
esac
"""


@dataclass
class MadeUpMachine:
    """A virtual environment, the Python below it and a driver, all of them stubs."""

    folder: Path

    def make(
        self, *, card: bool, of_venv: bool = False, of_own: bool = False, pip: int = 0
    ) -> None:
        for each in ("bin", "venv/bin"):
            (self.folder / each).mkdir(parents=True)
        sees_own = f"grep -q '= true' {self.configuration}" if of_own else "false"
        self._stub("venv/bin/python", "true" if of_venv else sees_own, pip)
        self._stub("bin/own", "true" if of_own else "false", 1)
        self.configuration.write_text("home = /usr/bin\ninclude-system-site-packages = false\n")
        if card:
            self._stub("bin/nvidia-smi", "true", 0)

    @property
    def configuration(self) -> Path:
        return self.folder / "venv" / "pyvenv.cfg"

    @property
    def sees_own_packages(self) -> bool:
        return "include-system-site-packages = true\n" in self.configuration.read_text()

    @property
    def brought(self) -> bool:
        asked = self.folder / "asked-python"
        return asked.exists() and "pip install" in asked.read_text()

    def install(self, device: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [SCRIPT, str(self.folder / "venv"), device],
            cwd=SCRIPT.parents[1],
            env={"PATH": f"{self.folder / 'bin'}{os.pathsep}{os.defpath}"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def _stub(self, name: str, finds: str, status: int) -> None:
        path = self.folder / name
        asked = self.folder / f"asked-{path.name}"
        own = self.folder / "bin" / "own"
        path.write_text(STUB.format(own=own, finds=finds, asked=asked, status=status))
        path.chmod(0o755)


@pytest.fixture
def machine(tmp_path: Path) -> MadeUpMachine:
    return MadeUpMachine(tmp_path)


@pytest.mark.parametrize("device", ["auto", "simulated"])
def test_nothing_happens_where_the_gpu_is_simulated(machine, device):
    machine.make(card=device == "simulated", of_own=True)
    assert machine.install(device).returncode == 0
    assert not machine.sees_own_packages
    assert not machine.brought


@pytest.mark.parametrize("device", ["auto", "nvidia"])
def test_the_machines_own_is_used_where_it_has_one(machine, device):
    machine.make(card=True, of_own=True)
    ended = machine.install(device)
    assert ended.returncode == 0
    assert "PyTorch is that of" in ended.stdout
    assert machine.sees_own_packages
    assert not machine.brought


def test_one_that_the_environment_has_stays(machine):
    machine.make(card=True, of_venv=True, of_own=True)
    assert machine.install("nvidia").returncode == 0
    assert not machine.sees_own_packages
    assert not machine.brought


@pytest.mark.parametrize(("device", "brought"), [("nvidia", True), ("auto", False)])
def test_a_new_one_is_brought_where_a_card_was_asked_for(machine, device, *, brought):
    machine.make(card=True)
    assert machine.install(device).returncode == 0
    assert machine.brought is brought


def test_where_none_can_be_brought_it_is_said_what_helps(machine):
    machine.make(card=True, pip=1)
    ended = machine.install("nvidia")
    assert ended.returncode == 1
    assert "PyTorch could not be brought. Install it for " in ended.stderr


def test_a_machine_set_up_from_a_wheelhouse_asks_no_network(machine):
    machine.make(card=True)
    (machine.folder / "venv" / ".wheelhouse").mkdir()
    ended = machine.install("nvidia")
    assert ended.returncode == 1
    assert "a wheelhouse has none: install it for " in ended.stderr
    assert not machine.brought
