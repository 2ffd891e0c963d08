"""Spawners whose servers are systemd units on the hub's machine, over SystemdSpawner.

A unit outlives the hub, has limits of its own, and has a control group that root's systemd made for
it: so all that runs in it is known as its slice's, however it was started. The unit's group is not
delegated to its user (``Delegate=``): who may make groups there could lead processes out of those
that the agent freezes.
"""

import hashlib
import os
import pwd
import re
from typing import Any, Final

from sublet_quota.reasons.refusal import Refusal
from sublet_quota.wire.api import SliceStarted
from systemdspawner import SystemdSpawner  # type: ignore[import-untyped]

from sublet_spawner.account import Account, find_account
from sublet_spawner.errors import SubletSpawnerError
from sublet_spawner.on_this_machine import OnThisMachine, started_process
from sublet_spawner.systemd_units import Unit, look_at_unit

_NO_NAME_OF_A_UNIT: Final = re.compile(r"[^A-Za-z0-9_.-]")
_MOST_NAME: Final = 40
_PROPERTIES: Final = {
    # It is up when its program runs under its account, and not before.
    "Type": "exec",
    # What is suspended lies in the server's own memory: it is never written to disk, and what its
    # programs share by name is nobody else's to open.
    "LimitCORE": "0",
    "MemorySwapMax": "0",
    "TemporaryFileSystem": "/dev/shm:mode=1777",  # noqa: S108 - one of the unit's own
}
"""The properties of a unit, but for those that ``unit_extra_properties`` says otherwise."""


class StartedUnits(SystemdSpawner):  # type: ignore[misc]
    """The part below the slices: looks at the unit once SystemdSpawner has started it."""

    unit_extra_properties: dict[str, Any]
    unit: Unit | None = None

    async def start(self) -> Any:
        """Start the unit, and return where the server is; raise where the unit does not run."""
        self.unit = None
        self.unit_extra_properties = {**_PROPERTIES, **self.unit_extra_properties}
        address = await super().start()
        unit = await look_at_unit(self.unit_name)
        if address is None or unit.main_pid == 0:
            message = (
                f"the unit {self.unit_name} did not start ({unit.state}, {unit.result}): "
                f"see `journalctl -u {self.unit_name}`"
            )
            raise SubletSpawnerError(message)
        self.unit = unit
        return address


class UnitSlices(OnThisMachine):
    """The part above SystemdSpawner: whose a unit is, and how its slice is known."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if self.name:
            self.unit_name += _part_for_server(self.user.name, self.name)

    async def start(self) -> Any:
        """Start the server with a slice; return where it is."""
        if self.dynamic_users:
            message = (
                "SystemdSpawner.dynamic_users gives users no account that lasts, under which their "
                "jobs could run: switch it off"
            )
            raise SubletSpawnerError(message)
        if self.isolate_devices:
            self.log.warning(
                "SystemdSpawner.isolate_devices hides the GPUs from %s: switch it off",
                self._log_name,
            )
        return await super().start()

    def find_account(self) -> Account | Refusal:
        """Return the account that the unit runs under, or why there is none for servers."""
        return find_account(self._expand_user_vars(self.username_template), self.least_uid)

    def job_environment(self, account: Account) -> dict[str, str]:
        """Return what a unit's processes have, with the paths that SystemdSpawner puts first."""
        environment = super().job_environment(account)
        first = [self._expand_user_vars(path) for path in self.extra_paths]
        path = environment.get("PATH", os.defpath)
        return {
            **environment,
            "HOME": account.home,
            "PATH": ":".join([*first, path]),
            "SHELL": self.default_shell,
            "USER": pwd.getpwuid(account.uid).pw_name,
        }

    def job_folder(self) -> str:
        """Return the folder that the server begins in, as set; empty: the account's home."""
        folder: str = super().job_folder()
        return folder or self._expand_user_vars(self.user_workingdir or "")

    def first_process(self) -> SliceStarted | None:
        """Return the unit's first process and its group; ``None``: it has ended already."""
        if self.unit is None:
            return None
        started = started_process(self.unit.main_pid)
        if started is None:
            return None
        return started.model_copy(update={"unit_group": self.unit.control_group})


class SystemdSliceSpawner(UnitSlices, StartedUnits):
    """A server with a slice, as a systemd unit under its user's own system account."""


def _part_for_server(user: str, server: str) -> str:
    """Return the end of the unit's name of a named server: no other server's, whatever its name."""
    digest = hashlib.sha256(f"{user}/{server}".encode()).hexdigest()[:12]
    return f"-{_NO_NAME_OF_A_UNIT.sub('_', server)[:_MOST_NAME]}-{digest}"
