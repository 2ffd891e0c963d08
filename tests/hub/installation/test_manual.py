"""The manual's commands and documents are such as this release takes."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import pytest
from sublet_hub.installation.command_line import install, uninstall
from sublet_hub.installation.configuration import QUOTA_DOCUMENT
from sublet_hub.installation.facts import HubKind
from sublet_hub.installation.refusals import refusals
from sublet_hub.installation.units import agent_unit
from sublet_hub.installation.wishes import Wishes
from sublet_lab.command_line import main
from sublet_quota.document.reading import read_quota_document

from tests.support.installing import a_hub, chosen, facts, packages

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "hub_ext/docs/one-machine.md").read_text()
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


def options_of(command):
    return {option for parameter in command.params for option in parameter.opts}


@pytest.mark.parametrize("command", [install, uninstall], ids=["install", "uninstall"])
def test_its_options_are_there(command):
    lines = re.findall(rf"sublet {command.name}( [^`\n]*)?", PAGE)
    named = {option for line in lines for option in re.findall(r"--[a-z-]+", line)}
    assert named
    assert named <= options_of(command)


def test_its_commands_are_there():
    named = set(re.findall(r"(?:`|/bin/)sublet ([a-z-]+)(?: ([a-z-]+))?", PAGE))
    assert ("lending", "off") in named
    for first, second in named:
        command = main.get_command(None, first)
        assert command is not None, first
        if isinstance(command, click.Group):
            assert second in command.commands, (first, second)


def test_its_admin_has_an_account():
    (admin,) = re.findall(r'admin_users = \{"(\w+)"\}', PAGE)
    assert re.search(rf"^    sudo useradd .* {admin}$", PAGE, re.MULTILINE)


def test_its_quota_document_is_valid_and_so_is_the_one_that_is_installed():
    (text,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    document = read_quota_document(text)
    assert set(document.groups) == {"teachers"}
    read_quota_document(QUOTA_DOCUMENT)
    with_limits = read_quota_document(
        re.sub(r"^#(?=\S| {2,})", "", QUOTA_DOCUMENT, flags=re.MULTILINE)
    )
    assert set(with_limits.groups) == {"teachers"}


@pytest.mark.parametrize("text", [PAGE, QUOTA_DOCUMENT], ids=["manual", "quota document"])
def test_the_command_that_explains_quota_documents_prints_their_schema(text):
    (module,) = re.findall(r"-m (sublet_quota\S+)", text)
    # In a process of its own, as it is meant: here another test may have imported it already.
    command = [sys.executable, "-m", module]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "EveryoneQuota" in json.loads(printed)["$defs"]


def test_it_names_the_wheel_of_this_release():
    assert f"./sublet-{VERSION}-py3-none-any.whl[nvidia]" in PAGE


def test_its_longest_pause_is_the_units():
    (longest,) = re.findall(r"RestartMaxDelaySec=(\d+)s", agent_unit(chosen()))
    assert f"with pauses of up to {longest} s" in PAGE


def test_each_environment_of_the_littlest_jupyterhub_gets_its_hub_before_sublet():
    hub = a_hub(kind=HubKind.TLJH, environment=packages(jupyterhub="5.2.1", sublet=""))
    wanted = re.search(r"'jupyterhub>=[^']*'", "".join(refusals(facts(hubs=(hub,)), Wishes())))[0]
    for python in ("/opt/tljh/hub/bin/python3", "/opt/tljh/user/bin/python"):
        first, then, *_ = re.findall(rf"sudo {python} -m pip install (.*)", PAGE)
        assert first == f"--upgrade {wanted}"
        assert then.startswith("'./sublet-")
