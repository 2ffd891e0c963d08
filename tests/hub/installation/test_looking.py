"""What is found in an environment."""

import socket
from pathlib import Path, PurePosixPath

import pytest
from sublet_hub.installation.changes import Found, Kind
from sublet_hub.installation.facts import AccountThere
from sublet_hub.installation.layout import SERVICE_CONFIGURATION, SERVICE_UNIT
from sublet_hub.installation.looking import Named, account_there, look, packages_of
from sublet_hub.installation.tree import Tree
from sublet_hub.installation.wishes import Wishes

from tests.support.installing import PretendedSystem
from tests.support.machine_folders import environment, write

HUB = PurePosixPath("/opt/hub/bin/python3")


@pytest.mark.parametrize(("name", "version"), [("3.11", (3, 11)), ("3.12", (3, 12))])
def test_condas_link_is_not_taken_for_the_pythons_version(tmp_path, name, version):
    environment(tmp_path, "opt/hub", {"jupyterhub": "5.4.1"}, name)
    found = packages_of(Tree(tmp_path), HUB)
    assert (found.python_version, found.versions) == (version, {"jupyterhub": "5.4.1"})


def test_an_older_pythons_folder_that_was_left_behind_is_not_the_environments(tmp_path):
    environment(tmp_path, "opt/hub", {"jupyterhub": "5.4.1"}, "3.12")
    (tmp_path / "opt/hub/lib/python3.9/site-packages").mkdir(parents=True)
    assert packages_of(Tree(tmp_path), HUB).python_version == (3, 12)


def test_where_there_is_no_python_there_is_no_environment(tmp_path):
    assert packages_of(Tree(tmp_path), HUB).python_version is None


def test_a_folder_that_others_may_not_enter_is_found_on_the_way_through_links(tmp_path):
    environment(tmp_path, "opt/hub", {"jupyterhub": "5.4.1"})
    assert packages_of(Tree(tmp_path), HUB).closed is None
    write(tmp_path, "root/pyenv/bin/python3", "", 0o755)
    python = tmp_path / "opt/hub/bin/python3"
    python.unlink()
    python.symlink_to("../../../root/pyenv/bin/python3")
    assert packages_of(Tree(tmp_path), HUB).closed is None
    (tmp_path / "root").chmod(0o700)
    assert packages_of(Tree(tmp_path), HUB).closed == PurePosixPath("/root")


def test_a_python_that_others_may_not_execute_is_closed(tmp_path):
    environment(tmp_path, "opt/hub", {"jupyterhub": "5.4.1"})
    (tmp_path / "opt/hub/bin/python3").chmod(0o750)
    assert packages_of(Tree(tmp_path), HUB).closed == HUB


def test_links_that_go_round_end(tmp_path):
    environment(tmp_path, "opt/hub", {"jupyterhub": "5.4.1"})
    python = tmp_path / "opt/hub/bin/python3"
    python.unlink()
    python.symlink_to("python3")
    assert packages_of(Tree(tmp_path), HUB).closed is None


@pytest.fixture
def listening():
    """A port at which something listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def is_taken(port, *, service_port):
    """Whether a port counts as taken on this machine, while the service runs at one of its own."""

    class Machine(Tree):
        def find(self, path):
            text = f"c.SubletHub.port = {service_port}\n"
            return Found(Kind.FILE, text.encode()) if path == SERVICE_CONFIGURATION else Found()

    system = PretendedSystem(Path("/nowhere"))
    system.restart(SERVICE_UNIT)
    machine = Machine(Path("/"))
    return look(machine, system, "1.0", Wishes(port=port), Named(unit="nobody's")).port_is_taken


def test_a_taken_port_is_seen_also_while_the_service_runs_at_another(listening):
    assert is_taken(listening, service_port=8901)
    assert not is_taken(listening, service_port=listening)


def test_an_account_with_the_services_name_is_found(tmp_path):
    write(tmp_path, "etc/passwd", "subletter:x:7:7::/:\nsublet:x:1000:1:S:/home/s:/bin/bash\n")
    found = account_there(Tree(tmp_path))
    assert found == AccountThere(1000, PurePosixPath("/home/s"), PurePosixPath("/bin/bash"))
    assert found.is_persons(1000)
