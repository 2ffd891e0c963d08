"""What is asked of systemd, and of people, while an installation is made and undone."""

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
