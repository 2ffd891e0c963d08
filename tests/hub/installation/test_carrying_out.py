"""What is asked of systemd, and of people, while an installation is made and undone."""

import shutil
import stat

import pytest

from tests.support.installing import Installation, chosen
from tests.support.machine_folders import plain_machine

UNIT = "etc/systemd/system/sublet-agent.service"


def test_the_units_that_read_what_changed_are_started_again(tmp_path):
    installation = Installation(plain_machine(tmp_path))
    both = ("sublet-hub.service", "sublet-agent.service")
    assert installation.make(chosen()) == both
    assert installation.make(chosen()) == ()
    assert installation.make(chosen(node="another")) == ("sublet-agent.service",)
    assert installation.system.done.count("reload") == 3


def test_everything_is_stopped_before_anything_is_removed(tmp_path):
    installation = Installation(plain_machine(tmp_path))
    installation.make(chosen())
    (tmp_path / UNIT).write_text("# mine\n")
    installation.undo()
    assert {"stop sublet-agent.service", "stop sublet-hub.service"} <= set(installation.system.done)
    assert (tmp_path / UNIT).read_text() == "# mine\n"


def test_who_says_yes_has_what_they_changed_replaced_and_removed(tmp_path):
    installation = Installation(plain_machine(tmp_path), says_yes=True)
    installation.make(chosen())
    (tmp_path / UNIT).write_text("# mine\n")
    installation.make(chosen(device="simulated"))
    assert "# mine" not in (tmp_path / UNIT).read_text()
    assert len(installation.asked) == 1
    (tmp_path / UNIT).write_text("# mine again\n")
    assert installation.undo() == []
    assert not (tmp_path / UNIT).exists()
    assert len(installation.asked) == 2


def test_a_file_that_its_admin_changed_and_that_has_nothing_new_is_not_asked_about(tmp_path):
    installation = Installation(plain_machine(tmp_path))
    installation.make(chosen())
    (tmp_path / UNIT).write_text("# mine\n")
    installation.make(chosen())
    assert installation.asked == []
    assert (tmp_path / UNIT).read_text() == "# mine\n"


@pytest.mark.parametrize(("text", "mode"), [("", 0o600), ("known to others\n", 0o644)])
def test_a_broken_secret_is_made_anew_and_its_readers_start_again(tmp_path, text, mode):
    installation = Installation(plain_machine(tmp_path))
    installation.make(chosen())
    token = tmp_path / "etc/sublet/service-token"
    token.write_text(text)
    token.chmod(mode)
    assert installation.make(chosen()) == ("sublet-hub.service",)
    assert stat.S_IMODE(token.stat().st_mode) == 0o600
    assert len(token.read_text().strip()) == 64
    installation.undo()
    assert not token.exists()


def test_a_configuration_of_sublets_that_was_lost_is_made_again(tmp_path):
    installation = Installation(plain_machine(tmp_path))
    installation.make(chosen())
    hub = tmp_path / "etc/jupyterhub/jupyterhub_config.py"
    before = hub.read_text()
    shutil.rmtree(tmp_path / "etc/sublet")
    assert set(installation.make(chosen())) == {"sublet-hub.service", "sublet-agent.service"}
    assert (tmp_path / "etc/sublet/jupyterhub_config.py").exists()
    assert hub.read_text() == before
