"""The machine's own programs: accounts and systemd. In an image's folder nothing is started."""

import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Protocol

import psutil

from sublet_hub.errors import ConfigurationError
from sublet_hub.host.process_identity import started_at
from sublet_hub.installation.changes import Account

_PATH: Final = "/usr/sbin:/usr/bin:/sbin:/bin"
_NOT_HERE: Final = 127


class System(Protocol):
    """What an installation asks of the machine, beside its files."""

    def add_account(self, account: Account) -> None:
        """Make a system account."""
        ...

    def remove_account(self, name: str) -> None:
        """Remove a system account."""
        ...

    def reload(self) -> None:
        """Let systemd read its units anew."""
        ...

    def restart(self, unit: str) -> bool:
        """Start a unit, again where it runs; return whether it did start."""
        ...

    def stop(self, unit: str) -> None:
        """Stop a unit, if it runs."""
        ...

    def is_active(self, unit: str) -> bool:
        """Whether a unit runs."""
        ...

    def started_at(self, unit: str) -> float | None:
        """Return when a unit's main process began, in seconds since 1970; ``None``: none runs."""
        ...


class LinuxSystem:
    """The programs of this machine; with a root other than ``/``, of an image."""

    def __init__(self, root: Path) -> None:
        self._prefix = [] if root == Path("/") else ["--prefix", str(root)]
        self._runs = root == Path("/")

    def add_account(self, account: Account) -> None:
        """Make a system account. ``ConfigurationError`` where that fails."""
        shell = "/usr/sbin/nologin"
        kind = ["--system", "--user-group", "--no-create-home", "--shell", shell]
        _must(["useradd", *self._prefix, *kind, "--home-dir", str(account.home), account.name])

    def remove_account(self, name: str) -> None:
        """Remove a system account. ``ConfigurationError`` where that fails."""
        _must(["userdel", *self._prefix, name])

    def reload(self) -> None:
        """Let systemd read its units anew."""
        if self._runs:
            _must(["systemctl", "daemon-reload"])

    def restart(self, unit: str) -> bool:
        """Start a unit, again where it runs; return whether it did start."""
        return not self._runs or _status(["systemctl", "restart", unit]) == 0

    def stop(self, unit: str) -> None:
        """Stop a unit, if it runs."""
        if self._runs:
            _status(["systemctl", "stop", unit])

    def is_active(self, unit: str) -> bool:
        """Whether a unit runs."""
        return not self._runs or _status(["systemctl", "--quiet", "is-active", unit]) == 0

    def started_at(self, unit: str) -> float | None:
        """Return when a unit's main process began, in seconds since 1970; ``None``: none runs."""
        systemctl = _found("systemctl")
        if not self._runs or systemctl is None:
            return None
        command = [systemctl, "show", "--property=MainPID", "--value", unit]
        pid = subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
        # By the clock that the times of files are by, and finer than whole seconds.
        booted_at = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
        try:
            return booted_at + started_at(psutil.Process(int(pid))) if int(pid or 0) else None
        except (ValueError, psutil.Error):
            return None


def _must(command: Sequence[str]) -> None:
    try:
        subprocess.run([_program(command[0]), *command[1:]], check=True, capture_output=True)
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode(errors="replace").strip()
        message = f"{' '.join(command)} failed: {said}"
        raise ConfigurationError(message) from error


def _status(command: Sequence[str]) -> int:
    """Return how a program ended; as a shell says it where the program is not here."""
    path = _found(command[0])
    if path is None:
        return _NOT_HERE
    # What it says is not for who installs: they are told what failed, and where to look.
    done = subprocess.run(
        [path, *command[1:]], stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    return done.returncode


def _found(name: str) -> str | None:
    return shutil.which(name, path=_PATH)


def _program(name: str) -> str:
    path = _found(name)
    if path is None:
        message = f"the program {name} is not here"
        raise ConfigurationError(message)
    return path
