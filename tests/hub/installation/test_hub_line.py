"""The one line in a plain hub's configuration, whatever the admin does to the file meanwhile."""

import pytest

from tests.support.installing import Installation, chosen
from tests.support.machine_folders import CONFIGURATION, plain_machine

MORE = "c.JupyterHub.port = 80\n"


@pytest.fixture
def machine(tmp_path):
    root = plain_machine(tmp_path)
    return Installation(root), root / "etc/jupyterhub/jupyterhub_config.py"


def test_a_line_that_was_taken_out_is_added_again_and_leaves_what_came_meanwhile(machine):
    installation, config = machine
    installation.make(chosen())
    config.write_text(CONFIGURATION + MORE)
    installation.make(chosen())
    assert config.read_text().startswith(CONFIGURATION + MORE)
    installation.undo()
    assert config.read_text() == CONFIGURATION + MORE


def test_a_file_without_an_end_of_line_comes_back_without_one(machine):
    installation, config = machine
    config.write_text(CONFIGURATION + "x = 1")
    installation.make(chosen())
    installation.make(chosen())
    installation.undo()
    assert config.read_text() == CONFIGURATION + "x = 1"


def test_a_file_that_was_not_there_is_gone_again(machine):
    installation, config = machine
    config.unlink()
    installation.make(chosen())
    assert config.exists()
    installation.undo()
    assert not config.exists()


def test_what_an_admin_wrote_into_a_file_that_was_not_there_stays(machine):
    installation, config = machine
    config.unlink()
    installation.make(chosen())
    config.write_text(MORE)
    installation.make(chosen())
    installation.undo()
    assert config.read_text() == MORE


def test_a_line_of_an_older_release_is_replaced(machine):
    installation, config = machine
    installation.make(chosen())
    older = config.read_text().replace("read_text()", "read_text('utf-8')")
    config.write_text(older + MORE)
    installation.make(chosen())
    assert config.read_text().count("# sublet install") == 1
    installation.undo()
    assert config.read_text() == CONFIGURATION + MORE
