"""The unit that runs the hub is found, and what it says."""

from pathlib import PurePosixPath

import pytest
from sublet_hub.installation.hub_units import hub_units
from sublet_hub.installation.tree import Tree

from tests.support.machine_folders import plain_machine, tljh_machine, write

UNIT = "etc/systemd/system/jupyterhub.service"


def only_unit(root, service):
    write(root, UNIT, f"[Unit]\nDescription=x\n[Service]\n{service}\n")
    (unit,) = hub_units(Tree(root))
    return unit


def test_a_plain_hubs_unit_is_read(tmp_path):
    (unit,) = hub_units(Tree(plain_machine(tmp_path)))
    assert unit.python == PurePosixPath("/opt/hub/bin/python3")
    assert unit.configuration == PurePosixPath("/etc/jupyterhub/jupyterhub_config.py")
    assert (unit.account, unit.private_devices) == ("root", False)


def test_the_littlest_jupyterhubs_unit_is_read(tmp_path):
    (unit,) = hub_units(Tree(tljh_machine(tmp_path)))
    assert unit.environment["TLJH_INSTALL_PREFIX"] == "/opt/tljh"
    assert unit.configuration == PurePosixPath("/opt/tljh/tljh/jupyterhub_config.py")
    assert unit.private_devices


COMMANDS = {
    "a script's first line names the Python": ("/opt/a/bin/jupyterhub", "/opt/b/bin/python3"),
    "a script that is not there": ("/opt/c/bin/jupyterhub", "/opt/c/bin/python3"),
    "a Python and the script": (
        "/opt/d/bin/python3.12 /opt/d/bin/jupyterhub",
        "/opt/d/bin/python3.12",
    ),
    "with systemd's signs": ("-!/opt/e/bin/python3 -m jupyterhub", "/opt/e/bin/python3"),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_the_hubs_python_is_found(tmp_path, name):
    command, python = COMMANDS[name]
    write(tmp_path, "opt/a/bin/jupyterhub", "#!/opt/b/bin/python3\n", 0o755)
    assert only_unit(tmp_path, f"ExecStart={command}").python == PurePosixPath(python)


CONFIGURATIONS = {
    "-f /a/b.py": "/a/b.py",
    "--config=/a/b.py": "/a/b.py",
    "--config b.py": "/srv/hub/b.py",
    "--JupyterHub.config_file b.py": "/srv/hub/b.py",
    "": "/srv/hub/jupyterhub_config.py",
}


@pytest.mark.parametrize("options", CONFIGURATIONS)
def test_the_hubs_configuration_is_found(tmp_path, options):
    command = f"ExecStart=/opt/a/bin/jupyterhub {options}\nWorkingDirectory=/srv/hub"
    found = only_unit(tmp_path, command).configuration
    assert found == PurePosixPath(CONFIGURATIONS[options])


LINES = {
    "a script": ("/opt/a/bin/jupyterhub --port 80", "--port 80"),
    "a module": ("/opt/a/bin/python3 -m jupyterhub --base-url=/lab", "--base-url=/lab"),
    "variables": ("/opt/a/bin/jupyterhub $MORE --base-url=${BASE}", "--port 80 --base-url=/lab"),
    "an unknown variable": ("/opt/a/bin/jupyterhub $OTHERS", "$OTHERS"),
    "a shell": ("/bin/sh -c 'cd /srv/jupyterhub && exec jupyterhub --port 80'", "--port 80"),
    "a shell that writes a log": (
        "/bin/bash -c '/opt/a/bin/jupyterhub --port 80 2>&1 | tee /var/log/jupyterhub'",
        "--port 80",
    ),
}


@pytest.mark.parametrize("name", LINES)
def test_the_hubs_options_are_found(tmp_path, name):
    command, options = LINES[name]
    lines = f"ExecStart={command}\nEnvironment=BASE=/lab 'MORE=--port 80'"
    assert " ".join(only_unit(tmp_path, lines).options) == options


def test_a_drop_in_is_heeded(tmp_path):
    write(tmp_path, f"{UNIT}.d/devices.conf", "[Service]\nPrivateDevices=no\nUser=hub\n")
    unit = only_unit(tmp_path, "ExecStart=/opt/a/bin/jupyterhub\nPrivateDevices=yes")
    assert (unit.account, unit.private_devices) == ("hub", False)


@pytest.mark.parametrize(
    "command",
    [
        "/opt/a/bin/configurable-http-proxy",
        "/usr/bin/python3 -m jupyterhub_idle_culler",
        "/usr/bin/tar -cf /backup/jupyterhub.tar /srv/jupyterhub",
    ],
)
def test_what_only_has_to_do_with_a_hub_is_none(tmp_path, command):
    write(tmp_path, UNIT, f"[Service]\nExecStart={command}\n")
    assert hub_units(Tree(tmp_path)) == []
