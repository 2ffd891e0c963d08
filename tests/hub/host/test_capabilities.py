"""A service with a few of root's rights starts jobs that have none of them."""

import os
import shutil
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("setpriv") is None,
    reason="needs root and setpriv to start a process with a few of root's rights",
)
# To read its Python, which may be root's, it needs one right more than the service.
RIGHTS = ["setuid", "setgid", "dac_read_search"]
SERVICE = """
import subprocess, sys
from datetime import datetime
from sublet_hub.host.accounts import run_as
from sublet_hub.host.capabilities import keep_from_children
from sublet_quota.wire.api import AccountTemplate
job = AccountTemplate(uid=65533, gid=65533, home="/", notebook_dir="/", python="/bin/cat")
if sys.argv[1] == "keep":
    keep_from_children()
subprocess.run(["/bin/cat", "/proc/self/status"], cwd="/", check=True, **run_as(job))
"""


def status_of_a_job(*arguments, rights=RIGHTS):
    """The lines of /proc/PID/status of a job that a service with these rights started."""
    given = ",".join(f"+{right}" for right in rights)
    command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    if rights:
        command += [f"--inh-caps={given}", f"--ambient-caps={given}"]
    else:
        command += ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
    done = subprocess.run(
        [*command, sys.executable, "-c", SERVICE, *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
    )
    return dict(line.split(":\t") for line in done.stdout.splitlines() if ":\t" in line), done


def test_a_job_is_its_owners_and_has_no_right_of_roots():
    status, _ = status_of_a_job("keep")
    assert status["Uid"].split() == ["65533"] * 4
    assert {int(status[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == {0}


def test_without_that_care_a_job_would_have_them():
    status, _ = status_of_a_job("forget")
    assert int(status["CapEff"], 16) != 0


def test_a_service_without_these_rights_starts_nothing_for_others():
    status, done = status_of_a_job("keep", rights=[])
    assert status == {}
    assert "cannot start processes of uid 65533" in done.stderr
