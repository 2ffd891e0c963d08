"""Under a real systemd: units with slices, and Sublet as `sublet install` sets it up."""

import json
import re
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest

from tests.support.real_systemd import RealSystemd, real_systemd

pytestmark = pytest.mark.end_to_end
ROOT = Path(__file__).parents[2]
ENVIRONMENT = Path(sys.prefix)
TOKEN = "a-token-of-the-tests"  # noqa: S105 - of a hub that the test itself starts
SERVICE = "http://127.0.0.1:8901/services/sublet"
UNITS = ("sublet-simulated-gpus", "sublet-hub", "sublet-agent")
HUB_UNIT = f"""
[Service]
ExecStart={ENVIRONMENT}/bin/python -m jupyterhub -f /etc/jupyterhub/jupyterhub_config.py
WorkingDirectory=/var/lib/jupyterhub
Environment=PATH={ENVIRONMENT}/bin:/usr/bin:/bin
"""
CONFIGURATION = f"""
c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allow_all = True
c.JupyterHub.spawner_class = "systemd"
c.Spawner.cmd = ["{ENVIRONMENT}/bin/python", "-m", "jupyterhub.singleuser"]
c.Spawner.start_timeout = c.Spawner.http_timeout = 300
c.JupyterHub.services = [dict(name="test", api_token="{TOKEN}")]
c.JupyterHub.load_roles = [
    dict(name="test", services=["test"], scopes=["admin:users", "admin:servers", "tokens"])
]
"""


@pytest.fixture(scope="module")
def systemd():
    with real_systemd() as running:
        # A Python in root's own folder is there for nobody else.
        folders = {*Path(sys.base_prefix).parents, *ENVIRONMENT.parents, *ROOT.parents, ROOT}
        running.run("chmod", "o+x", *sorted(folders))
        yield running


def test_the_spawners_suite_holds_over_it(systemd: RealSystemd) -> None:
    suite = "tests/spawner/test_systemd_spawner.py"
    options = ["-v", "-k", "real", "-p", "no:cacheprovider", "-p", "no:xdist"]
    command = ["env", f"--chdir={ROOT}", sys.executable, "-m", "pytest", suite, *options]
    said = systemd.run(*command).stdout
    assert len(re.findall(r"\[real\] PASSED", said)) >= 10
    assert "FAILED" not in said


def test_a_hub_with_sublet_starts_serves_survives_and_is_as_it_was_afterwards(
    systemd: RealSystemd,
) -> None:
    systemd.run("useradd", "--create-home", "ada")
    systemd.run("mkdir", "/var/lib/jupyterhub")
    systemd.write("/etc/systemd/system/jupyterhub.service", HUB_UNIT)
    systemd.write("/etc/jupyterhub/jupyterhub_config.py", CONFIGURATION)
    systemd.run("systemctl", "daemon-reload")
    before = _files(systemd)
    sublet = ENVIRONMENT / "bin/sublet"
    said = systemd.said(sublet, "install", "--yes", "--device", "simulated")
    assert "Spawner:  sublet-systemd" in said
    systemd.run("sed", "-i", "s/idle_after: 10m/idle_after: 1s/", "/etc/sublet/quota.yaml")
    systemd.run("systemctl", "restart", "jupyterhub")
    _serves(systemd)
    _a_server_is_in_a_unit_that_is_its_slices(systemd)
    _a_job_is_its_owners_and_has_no_right_of_the_services(systemd)
    _what_is_killed_starts_again(systemd)
    said = systemd.said(sublet, "install", "--yes")
    assert "--device simulated  (as at the last install)" in said
    assert "nothing to change" in said
    assert "was started before" not in said
    _nothing_is_removed_under_a_server(systemd, sublet)
    systemd.run("systemctl", "stop", "jupyterhub")
    systemd.run("sed", "-i", "s/idle_after: 1s/idle_after: 10m/", "/etc/sublet/quota.yaml")
    systemd.run(sublet, "uninstall", "--yes", "--remove-data")
    states = systemd.run("systemctl", "is-active", *UNITS, check=False).stdout.split()
    assert states == ["inactive"] * 3
    assert systemd.said("cat", "/etc/jupyterhub/jupyterhub_config.py") == CONFIGURATION.strip()
    assert _files(systemd) == before
    assert systemd.run("id", "sublet", check=False).returncode != 0


def _files(systemd: RealSystemd) -> str:
    """Whatever an installation could have left: names, modes, owners and sizes."""
    folders = "etc/systemd etc/jupyterhub etc/sublet var/lib/sublet etc/passwd etc/group"
    told = "-exec stat --format='%n %a %U:%G %s' {} +"
    return systemd.said("sh", "-c", f"cd / && find {folders} {told} 2>/dev/null | sort")


def _serves(systemd: RealSystemd) -> None:
    # The agent begins beside the service: only with its card is there a slice to be had.
    systemd.until("sh", "-c", f"curl -sf {SERVICE}/health | grep -q '\"cards\": *1\\b'")
    systemd.until("curl", "-sf", "http://127.0.0.1:8000/hub/api/")
    status = systemd.said("sh", "-c", "cat /proc/$(systemctl show -P MainPID sublet-hub)/status")
    assert re.search(r"^Uid:\t(?!0\t)", status, re.MULTILINE)
    assert re.search(r"^CapAmb:\t0+$", status, re.MULTILINE)


def _a_server_is_in_a_unit_that_is_its_slices(systemd: RealSystemd) -> None:
    _hub(systemd, "POST", "users/ada")
    _hub(systemd, "POST", "users/ada/server")
    ready = "curl -s -H 'Authorization: token {}' {}/users/ada | grep -q '\"ready\": *true'"
    systemd.until("sh", "-c", ready.format(TOKEN, "http://127.0.0.1:8081/hub/api"), within_s=300)
    pid = systemd.said("systemctl", "show", "-P", "MainPID", "jupyter-ada-singleuser")
    # The agent has taken it in, in a group below that of the unit.
    pattern = r"^0::/system.slice/jupyter-ada-singleuser.service/sublet-this-machine-.*/rest$"
    systemd.until("grep", "-qE", pattern, f"/proc/{pid}/cgroup")
    assert systemd.said("stat", "-c", "%U", f"/proc/{pid}") == "ada"


def _a_job_is_its_owners_and_has_no_right_of_the_services(systemd: RealSystemd) -> None:
    cell = nbformat.v4.new_code_cell("print(open('/proc/self/status').read())")
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python", "language": "python"}}
    notebook = nbformat.v4.new_notebook(cells=[cell], metadata=kernel)
    systemd.write("/home/ada/status.ipynb", nbformat.writes(notebook))
    token = _hub(systemd, "POST", "users/ada/tokens")["token"]
    sublet = [
        *("runuser", "-u", "ada", "--", "env", "--chdir=/home/ada", "HOME=/home/ada"),
        *(f"SUBLET_SERVICE_URL={SERVICE}/", f"JUPYTERHUB_API_TOKEN={token}"),
        ENVIRONMENT / "bin/sublet",
    ]
    submit = ("jobs", "submit", "status.ipynb", "--memory", "4GiB", "--follow")
    log = systemd.said(*sublet, *submit)
    uid = systemd.said("id", "-u", "ada")
    assert re.search(rf"^Uid:\t{uid}\t{uid}\t{uid}\t{uid}$", log, re.MULTILINE)
    for name in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
        assert re.search(rf"^{name}:\t0+$", log, re.MULTILINE)


def _what_is_killed_starts_again(systemd: RealSystemd) -> None:
    before = {unit: systemd.said("systemctl", "show", "-P", "MainPID", unit) for unit in UNITS}
    systemd.run("systemctl", "kill", "--signal=KILL", "--kill-who=main", *UNITS)
    for unit in UNITS:
        is_new = f'pid=$(systemctl show -P MainPID {unit}); [ "$pid" != 0 -a "$pid" != "$0" ]'
        systemd.until("sh", "-c", is_new, before[unit])
    systemd.until("curl", "-sf", f"{SERVICE}/health")


def _nothing_is_removed_under_a_server(systemd: RealSystemd, sublet: Path) -> None:
    refused = systemd.run(sublet, "uninstall", "--yes", check=False)
    assert refused.returncode == 1
    assert "notebook servers with a slice run: ada" in refused.stderr
    _hub(systemd, "DELETE", "users/ada/server")
    gone = "! systemctl is-active --quiet jupyter-ada-singleuser"
    systemd.until("sh", "-c", gone)


def _hub(systemd: RealSystemd, method: str, path: str) -> dict[str, Any]:
    said = systemd.said(
        *("curl", "-s", "-X", method, "-H", f"Authorization: token {TOKEN}"),
        f"http://127.0.0.1:8081/hub/api/{path}",
    )
    answer: dict[str, Any] = json.loads(said) if said else {}
    assert "status" not in answer, answer
    return answer
