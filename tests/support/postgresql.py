"""A real PostgreSQL server for the tests, in a folder of its own and reached by a Unix socket.

It refuses to run as root, so it runs as the account ``postgres`` or ``nobody`` then.
"""

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from urllib.parse import quote


class NoPostgresqlError(Exception):
    """There is none to start here, and why."""


@dataclass
class PostgresqlServer:
    """A running server; each test makes a database of its own."""

    folder: Path
    _numbers: count = field(default_factory=lambda: count(1))

    def new_database(self) -> str:
        """Return the SQLAlchemy URL of a new, empty database."""
        name = f"ledger_{next(self._numbers)}"
        self._run("createdb", "--host", str(self.folder), "--username", "sublet", name)
        return f"postgresql+psycopg://sublet@/{name}?host={quote(str(self.folder), safe='')}"

    def _run(self, program: str, *arguments: str) -> None:
        _run_as_account([str(_programs() / program), *arguments], self.folder)


@contextlib.contextmanager
def postgresql_server() -> Iterator[PostgresqlServer]:
    """Start a server, and stop it at the end; ``NoPostgresqlError`` where there is none."""
    programs = _programs()
    # A socket's path is short: not below pytest's folder.
    folder = Path(tempfile.mkdtemp(prefix="sublet-pg-"))
    try:
        account = _account()
        if account is not None:
            os.chown(folder, account.pw_uid, account.pw_gid)
        data = folder / "data"
        initdb = [str(programs / "initdb"), "--pgdata", str(data), "--username", "sublet"]
        _run_as_account([*initdb, "--auth", "trust", "--encoding", "UTF8", "--no-sync"], folder)
        options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off"
        control = [str(programs / "pg_ctl"), "--pgdata", str(data), "--wait"]
        log = str(folder / "log")
        _run_as_account([*control, "--log", log, "--options", options, "start"], folder)
        try:
            yield PostgresqlServer(folder)
        finally:
            _run_as_account([*control, "--mode", "immediate", "stop"], folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _programs() -> Path:
    """Where Debian keeps the newest version's programs; elsewhere they are on the path."""
    kept = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=_version)
    if kept:
        return kept[-1].parent
    found = shutil.which("initdb")
    if found is None:
        message = "there is no PostgreSQL server here: install the package postgresql"
        raise NoPostgresqlError(message)
    return Path(found).parent


def _version(path: Path) -> float:
    try:
        return float(path.parts[-3])
    except ValueError:
        return 0.0


def _account() -> pwd.struct_passwd | None:
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    message = "PostgreSQL does not run as root, and there is no account postgres or nobody"
    raise NoPostgresqlError(message)


def _run_as_account(command: list[str], folder: Path) -> None:
    account = _account()
    if account is None:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    else:
        done = subprocess.run(
            command,
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
            user=account.pw_uid,
            group=account.pw_gid,
            extra_groups=[],
        )
    if done.returncode != 0:
        message = f"{Path(command[0]).name} failed: {done.stdout}{done.stderr}"
        raise NoPostgresqlError(message)
