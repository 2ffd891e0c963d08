"""Spawners whose servers are processes on the hub's machine.

``LocalSliceSpawner`` runs each user's server under their own system account.
``SimpleSliceSpawner`` runs all of them as one account, for trying out: it says so wherever a
user or admin looks.
"""

import socket
from collections.abc import Callable
from typing import Any

from jupyterhub.spawner import (  # type: ignore[import-untyped]
    LocalProcessSpawner,
    SimpleLocalProcessSpawner,
)
from sublet_quota.reasons.refusal import Refusal
from sublet_quota.wire.api import SliceStarted

from sublet_spawner.account import Account, find_account, shared_account
from sublet_spawner.on_this_machine import OnThisMachine, started_process
from sublet_spawner.options_form import SHARED_ACCOUNT_WARNING
from sublet_spawner.own_shared_memory import with_own_shared_memory

SAME_START_WITHIN_S = 0.1
"""How far two readings of one process's start may lie apart: they are told in whole ticks."""


class _LocalProcesses(OnThisMachine):
    """The part that the two spawners share: a server is a pid, known by its start time too."""

    _held_port: socket.socket | None = None

    async def start(self) -> Any:
        """Start the server on a port that nobody else is given meanwhile; return where it is."""
        if self.port == 0:
            self._hold_port()
        return await super().start()

    def _hold_port(self) -> None:
        """Choose a port and keep it: a server takes seconds to listen, and gives up if it cannot.

        Bound without listening, and with SO_REUSEADDR, which servers set too, a port goes to who
        asks for this very one, and to nobody who asks for any.
        """
        self._held_port = socket.socket()
        self._held_port.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._held_port.bind(("", 0))
        self.port = self._held_port.getsockname()[1]

    def clear_state(self) -> None:
        """Forget the server, and the port that was chosen for it."""
        super().clear_state()
        if self._held_port is not None:
            self._held_port.close()
            self._held_port, self.port = None, 0

    def first_process(self) -> SliceStarted | None:
        """Return the server's process; ``None``: it has ended already."""
        return started_process(self.pid)

    async def _signal(self, sig: int) -> Any:
        """Send a signal, unless the pid is another process's since the hub saw it; return if sent.

        Pid 0 is none: the signal would go to every process of the hub's own group.
        """
        if self.pid <= 0:
            return False
        if isinstance(self._started, SliceStarted) and self._started.root_pid == self.pid:
            now = self.first_process()
            if now is None:
                return False
            apart_s = abs(now.root_start_time - self._started.root_start_time)
            if apart_s > SAME_START_WITHIN_S:
                return False
        return await super()._signal(sig)


class LocalSliceSpawner(_LocalProcesses, LocalProcessSpawner):  # type: ignore[misc]
    """A server with a slice, as a process of its user's own system account."""

    def find_account(self) -> Account | Refusal:
        """Return the user's own account, or why there is none for servers."""
        return find_account(self.user.name, self.least_uid)

    def make_preexec_fn(self, name: str) -> Callable[[], None]:
        """Return what the server's process does before it is its user's program."""
        become_user: Callable[[], None] = super().make_preexec_fn(name)
        return with_own_shared_memory(become_user)


class SimpleSliceSpawner(_LocalProcesses, SimpleLocalProcessSpawner):  # type: ignore[misc]
    """A server with a slice; all users as the hub's own account, not walled off from each other."""

    def find_account(self) -> Account | Refusal:
        """Return the hub's own account, with the user's home."""
        return shared_account(self.home_dir)

    def form_warnings(self) -> tuple[str, ...]:
        """Return the warning that servers are not walled off from each other."""
        return (SHARED_ACCOUNT_WARNING,)

    async def start(self) -> Any:
        """Start the server, and warn in the log; return where the server is."""
        self.log.warning("%s: %s", self._log_name, SHARED_ACCOUNT_WARNING)
        return await super().start()
