"""Sublet's virtual environment is made under Sublet's constraints alone."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PYTHON = """#!/bin/sh
case "$*" in
    *find_spec*) exit 1 ;;
    *_base_executable*) echo "$0" ;;
    *install.py*|*"-m pip"*) echo "<$PIP_CONSTRAINT$PIP_BUILD_CONSTRAINT> $*" >> "{asked}" ;;
esac
"""
OTHERS = {"PIP_CONSTRAINT": "/etc/pip/constraint.txt", "PIP_BUILD_CONSTRAINT": "/etc/pip/build.txt"}
SCRIPTS = {
    "create-venv": ["venv/bin/python", "venv"],
    "install-pytorch": ["venv", "nvidia"],
}


def played(folder, script, **environment):
    """Run a script over a Python that only notes how it is called; the notes, and what was said."""
    shutil.copytree(ROOT / ".ci", folder / ".ci")
    (folder / "pyproject.toml").write_text('pytorch = ["torch"]\n')
    for name, text in {
        "venv/bin/python": PYTHON.format(asked=folder / "asked"),
        "bin/node": "#!/bin/sh\n",
        "bin/npm": "#!/bin/sh\n",
        "venv/.wheelhouse/extras": "demo",
        "labextension/dist/package.json": "{}",
    }.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    if "WHEELHOUSE" not in environment:
        shutil.rmtree(folder / "venv/.wheelhouse")
    done = subprocess.run(
        [f".ci/{script}", *SCRIPTS[script]],
        cwd=folder,
        env={"PATH": f"{folder / 'bin'}{os.pathsep}{os.defpath}", **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    return (folder / "asked").read_text().splitlines(), done.stdout


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("name", OTHERS)
def test_the_constraints_of_others_are_not_heeded_and_that_is_said_once(tmp_path, script, name):
    asked, said = played(tmp_path, script, **{name: OTHERS[name]})
    assert asked
    assert all(line.startswith("<> ") for line in asked)
    assert said.count(OTHERS[name]) == 1


def test_they_are_not_heeded_either_where_wheels_come_from_a_wheelhouse(tmp_path):
    asked, _ = played(tmp_path, "create-venv", WHEELHOUSE="/a/wheelhouse", **OTHERS)
    assert "/a/wheelhouse/install.py" in asked[0]
    assert any("--constraint .ci/constraints.txt" in line for line in asked)
    assert not any("--require-hashes" in line for line in asked)
    assert all(line.startswith("<> ") for line in asked)


@pytest.mark.parametrize("script", SCRIPTS)
def test_nothing_is_said_where_there_are_none(tmp_path, script):
    asked, said = played(tmp_path, script)
    assert any("--require-hashes --requirement .ci/locks/" in line for line in asked)
    assert "constraints" not in said
