"""Whatever ends an installation in its middle: it can be gone on with, and undone."""

import os

import pytest

from tests.support.installing import Installation, PowerCutError, TreeThatFails, chosen
from tests.support.machine_folders import everything_below, plain_machine, write

AFTER = pytest.mark.parametrize("after", [False, True], ids=["before", "after"])


@pytest.fixture(autouse=True)
def without_waiting_for_disks(monkeypatch):
    """The power is cut between changes here, not within one: hundreds of times."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


def machine(root):
    plain_machine(root)
    # Somebody else's, so that an original is kept too.
    write(root, "etc/sublet/jupyterhub_config.py", "# mine\n", 0o600)
    return root


def number_of_changes(root):
    """How many changes of files an installation makes."""
    tree = TreeThatFails(machine(root), 1000, after=False)
    Installation(root, tree).make(chosen())
    return 1000 - tree.left


@AFTER
def test_an_installation_that_was_cut_off_is_gone_on_with_and_undone(tmp_path, after):
    most = number_of_changes(tmp_path / "count")
    assert most > 20
    for at in range(1, most + 1):
        root = machine(tmp_path / f"{at}")
        before = everything_below(root)
        with pytest.raises(PowerCutError):
            Installation(root, TreeThatFails(root, at, after=after)).make(chosen())
        whole = Installation(root)
        whole.make(chosen())
        assert (root / "etc/systemd/system/sublet-agent.service").exists()
        assert whole.undo() == []
        assert (at, everything_below(root)) == (at, before)


@AFTER
def test_an_installation_that_was_cut_off_is_undone_without_going_on(tmp_path, after):
    most = number_of_changes(tmp_path / "count")
    for at in range(1, most + 1):
        root = machine(tmp_path / f"{at}")
        before = everything_below(root)
        with pytest.raises(PowerCutError):
            Installation(root, TreeThatFails(root, at, after=after)).make(chosen())
        assert Installation(root).undo() == []
        left = {k: v for k, v in everything_below(root).items() if before.get(k) != v}
        # Cut off before its manifest was there, it has made that one's folder alone.
        assert (at, set(left) <= {"var/lib/sublet"}) == (at, True)


@AFTER
def test_an_undoing_that_was_cut_off_is_gone_on_with(tmp_path, after):
    root = machine(tmp_path / "root")
    Installation(root).make(chosen())
    at = 0
    while True:
        at += 1
        root = machine(tmp_path / f"{at}")
        before = everything_below(root)
        Installation(root).make(chosen())
        try:
            Installation(root, TreeThatFails(root, at, after=after)).undo()
        except PowerCutError:
            assert Installation(root).undo() == []
            assert (at, everything_below(root)) == (at, before)
            continue
        return
