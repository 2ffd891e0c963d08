"""Who installs is told to restart the hub until it has read what is Sublet's."""

import os

import click
import pytest
from sublet_hub.installation.command_line import Session, install_on
from sublet_hub.installation.tree import Tree

from tests.support.installing import PretendedSystem
from tests.support.machine_folders import plain_machine, tljh_machine

NEEDS_ROOT = pytest.mark.skipif(
    os.geteuid() != 0, reason="needs root: installs as the command does"
)
HINT = "jupyterhub.service was started before its configuration was changed"
WRITTEN_AT = 1000


@pytest.fixture(params=[plain_machine, tljh_machine])
def machine(request, tmp_path):
    return request.param(tmp_path)


def install(root, system):
    install_on(Session(Tree(root), system, yes=True, dry_run=False), {"device": "nvidia"})


def written_long_ago(root):
    for path in root.rglob("*"):
        if path.is_file():
            os.utime(path, (WRITTEN_AT, WRITTEN_AT))


@NEEDS_ROOT
@pytest.mark.parametrize(
    ("started_at", "is_told"), [(WRITTEN_AT - 1, True), (WRITTEN_AT + 1, False), (None, False)]
)
def test_a_hub_that_was_started_before_is_to_be_restarted(machine, capsys, started_at, is_told):
    system = PretendedSystem(machine)
    install(machine, system)
    written_long_ago(machine)
    system.hub_started_at = started_at
    capsys.readouterr()
    install(machine, system)
    said = capsys.readouterr().out
    assert "nothing to change" in said
    assert (HINT in said) is is_told
    assert ("systemctl restart jupyterhub.service" in said) is is_told


@NEEDS_ROOT
def test_the_hint_comes_when_a_start_that_failed_is_made_up_for(machine, capsys):
    system = PretendedSystem(machine)
    system.hub_started_at = WRITTEN_AT
    system.failing = {"sublet-hub.service"}
    with pytest.raises(click.ClickException, match="Then run `sublet install` again"):
        install(machine, system)
    system.failing = set()
    install(machine, system)
    assert HINT in capsys.readouterr().out
