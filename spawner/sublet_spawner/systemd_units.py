"""The question to systemd how a server's unit is: the only module here that asks it.

What starts and stops units is SystemdSpawner's.
"""

import asyncio
from dataclasses import dataclass
from typing import Final

from sublet_quota.names.control_groups import is_group_of_a_unit

from sublet_spawner.errors import SubletSpawnerError

_PROPERTIES: Final = ("ActiveState", "MainPID", "ControlGroup", "Result")
_WITHIN_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit, as systemd knows it now."""

    state: str
    main_pid: int
    """The pid of its first process; 0 where none runs."""
    control_group: str | None
    """The path of the control group that all its processes are in."""
    result: str
    """How it ended, such as ``exit-code``; ``success`` while it runs."""


async def look_at_unit(name: str) -> Unit:
    """Return how a unit is. ``SubletSpawnerError`` where systemd does not answer in time."""
    command = ["systemctl", "show", f"--property={','.join(_PROPERTIES)}", f"{name}.service"]
    try:
        asking = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        async with asyncio.timeout(_WITHIN_S):
            output, _ = await asking.communicate()
    except (OSError, TimeoutError) as error:
        message = f"systemd does not tell how {name} is: {error or 'no answer'}"
        raise SubletSpawnerError(message) from error
    said = dict(
        line.split("=", 1) for line in output.decode(errors="replace").splitlines() if "=" in line
    )
    group = said.get("ControlGroup", "")
    pid = said.get("MainPID", "0")
    return Unit(
        state=said.get("ActiveState", ""),
        main_pid=int(pid) if pid.isdigit() else 0,
        control_group=group if is_group_of_a_unit(group) else None,
        result=said.get("Result", ""),
    )
