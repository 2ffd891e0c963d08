"""A service with a few of root's rights can read tenants' memory, and hands them on to no job."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from sublet_procfs import reader_process

SERVICE, TENANT = 65534, 65532
PUBLIC_PYTHON = shutil.which("python3", path="/usr/local/bin:/usr/bin:/bin")
pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("setpriv") is None or PUBLIC_PYTHON is None,
    reason="needs root, setpriv and a Python for all accounts, for a few of root's rights",
)
# To read its own Python, which may be root's, it needs one right more than the service.
RIGHTS = ["setuid", "setgid", "kill", "sys_ptrace", "dac_read_search"]
TRACE = 1 << 19
PROGRAM = """
import subprocess, sys
from pathlib import Path
import sublet_procfs.reader
from sublet_hub.host.capabilities import keep_from_children
from sublet_procfs.tenant_memory import TenantMemory
sys.executable, sublet_procfs.reader._PROGRAM = sys.argv[1], Path(sys.argv[2])
keep_from_children()
memory = TenantMemory()
try:
    print("read:", *memory.variables(int(sys.argv[3]), "SUBLET_JOB_ID"))
except OSError as error:
    print("read:", error)
for reader in memory._idle:
    status = Path(f"/proc/{reader._process.pid}/status").read_text()
    print(*("reader " + line for line in status.splitlines()), sep="\\n")
status = subprocess.run(["/bin/cat", "/proc/self/status"], capture_output=True, text=True).stdout
print(*("job " + line for line in status.splitlines()), sep="\\n")
memory.close()
"""


@pytest.fixture
def tenant() -> Iterator[int]:
    """A process of a tenant's, by its pid."""
    with subprocess.Popen(
        ["/bin/sleep", "60"],
        user=TENANT,
        group=TENANT,
        extra_groups=[],
        env={"SUBLET_JOB_ID": "job-1"},
        cwd="/",
    ) as process:
        yield process.pid
        process.kill()


@pytest.fixture
def readable() -> Iterator[Path]:
    """The readers' program where every account can read it, as where it is installed."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        program = shutil.copy(reader_process.__file__, folder)
        Path(program).chmod(0o644)
        yield Path(program)


def service(tenant: int, readable: Path, rights: Sequence[str] = RIGHTS) -> dict[str, str]:
    """What a service with these rights says of its read, its reader and what else it starts."""
    given = ",".join(f"+{right}" for right in rights)
    command = ["setpriv", f"--reuid={SERVICE}", f"--regid={SERVICE}", "--clear-groups"]
    command += [f"--inh-caps={given}", f"--ambient-caps={given}", sys.executable, "-c", PROGRAM]
    done = subprocess.run(
        [*command, str(PUBLIC_PYTHON), str(readable), str(tenant)],
        capture_output=True,
        text=True,
        check=True,
        cwd="/",
    )
    lines = (line.partition(":") for line in done.stdout.splitlines())
    return {name: value.strip() for name, _, value in lines}


def test_a_service_under_its_own_account_reads_a_tenants_environment(
    tenant: int, readable: Path
) -> None:
    assert service(tenant, readable)["read"] == "job-1"


def test_its_reader_may_trace_and_nothing_else_of_roots(tenant: int, readable: Path) -> None:
    told = service(tenant, readable)
    assert {int(told[f"reader Cap{of}"], 16) for of in ("Eff", "Prm", "Inh", "Amb")} == {TRACE}


def test_what_is_started_after_a_reader_has_no_right_of_roots(tenant: int, readable: Path) -> None:
    told = service(tenant, readable)
    assert {int(told[f"job Cap{of}"], 16) for of in ("Eff", "Prm", "Inh", "Amb")} == {0}


def test_a_service_that_may_not_trace_starts_readers_that_may_not(
    tenant: int, readable: Path
) -> None:
    told = service(tenant, readable, ["dac_read_search"])
    assert "job-1" not in told["read"]
    assert int(told["job CapEff"], 16) == 0
