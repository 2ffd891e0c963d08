"""Keeps the ledger equal to what is there: slices of servers and processes that are gone end.

Three witnesses, each enough: the hub no longer knows the server (seen twice, so that a server
that is just being entered is spared); on this machine, the server's first process is dead; or
the server never told of a process or pod. When the hub is silent, nothing is concluded from it; nor
from what it shows to another token than the service's own. While the service was down nobody could
tell it of a process: that time does not count.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sublet_quota.names.ids import SliceId, UserName
from sublet_quota.reasons.installation.standings import HubStanding

from sublet_hub.errors import HubUnreachableError
from sublet_hub.host.process_identity import is_alive
from sublet_hub.ledger.ledger import Ledger
from sublet_hub.ledger.records import SliceRecord, StartedProcess
from sublet_hub.slices.allocation import Allocation
from sublet_hub.slices.jupyterhub_client import HubClient, HubServers
from sublet_hub.state.fleet import Fleet

GroupsListener = Callable[[Mapping[UserName, tuple[str, ...]], datetime], None]
_LOG = logging.getLogger(__name__)
_OWN_TOKEN: Final = frozenset(
    {
        HubStanding.OK,
        HubStanding.CANNOT_STOP_SERVERS,
        HubStanding.CANNOT_START_SERVERS,
        HubStanding.CANNOT_LIST_GROUPS,
    }
)
"""How the hub stands to the service's own token, which may see all servers."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait before a slice is taken back."""

    missing_for: timedelta
    start_within: timedelta


class Reconciliation:
    """The comparison of the ledger with the hub's servers and this machine's processes."""

    def __init__(  # noqa: PLR0913, PLR0917 - what it compares, and by which rules
        self,
        ledger: Ledger,
        fleet: Fleet,
        allocation: Allocation,
        patience: Patience,
        now: Callable[[], datetime],
        is_to_start: Callable[[SliceId], bool] = lambda _: False,
    ) -> None:
        """``is_to_start``: whether the hub is being asked to start a slice's server."""
        self._is_to_start = is_to_start
        self._on_groups: GroupsListener = lambda *_: None
        self._ledger = ledger
        self._fleet = fleet
        self._allocation = allocation
        self._patience = patience
        self._now = now
        self._began = now()
        self._missing_since: dict[SliceId, datetime] = {}
        self._dead: set[SliceId] = set()
        self._may_start_since: dict[SliceId, datetime] = {}
        """Of slices whose servers were to be started: when that was seen last."""
        self.hub_standing = HubStanding.UNASKED
        """How the hub answered when it was asked last."""

    def on_groups(self, listener: GroupsListener) -> None:
        """Tell ``listener`` the groups of those who have servers, and when the hub was asked."""
        self._on_groups = listener

    async def ask_hub(self, hub: HubClient) -> None:
        """Compare with the hub's servers; what else it answers is logged when that is news."""
        asked_at = self._now()
        try:
            servers = await hub.servers()
            standing = self.hub_standing
            if standing is not HubStanding.OK:
                standing = await hub.whose_token()
        except HubUnreachableError as error:
            if error.standing is not self.hub_standing:
                _LOG.warning("slices are not compared with the hub's servers: %s", error)
            self.hub_standing = error.standing
            return
        if standing is not self.hub_standing:
            _log_standing(standing)
        self.hub_standing = standing
        # Somebody else's token may show them fewer servers than there are.
        if standing in _OWN_TOKEN:
            self.compare(servers)
            self._on_groups(servers.groups, asked_at)

    def compare(self, hub: HubServers) -> None:
        """Release the slices of servers that have been unknown to the hub for long enough."""
        now = self._now()
        missing: dict[SliceId, datetime] = {}
        for record in list(self._ledger.slices.values()):
            is_known = (record.owner, record.server) in hub.servers
            if record.is_job or is_known or self._is_to_start(record.slice_id):
                continue
            since = self._missing_since.get(record.slice_id, now)
            old_enough = now - record.created_at >= self._patience.missing_for
            if record.slice_id in self._missing_since and old_enough:
                self._allocation.release(record.slice_id, "the hub has no such server")
            else:
                missing[record.slice_id] = since
        self._missing_since = missing

    def look_at_processes(self) -> None:
        """Release the slices whose server's first process is dead, or never came."""
        now = self._now()
        dead: set[SliceId] = set()
        for record in list(self._ledger.slices.values()):
            if record.is_job or record.pod is not None:
                continue
            if record.root_pid is None:
                if self._never_came(record, now):
                    self._allocation.release(record.slice_id, "its server never started")
            elif self._is_dead(record):
                # Seen twice: the hub may be replacing the process at this moment.
                if record.slice_id in self._dead:
                    self._allocation.release(record.slice_id, "its server's process is dead")
                else:
                    dead.add(record.slice_id)
        self._dead = dead
        for gone in self._may_start_since.keys() - self._ledger.slices.keys():
            del self._may_start_since[gone]

    def _never_came(self, record: SliceRecord, now: datetime) -> bool:
        """Whether the hub had enough time to start a slice's server, once it could."""
        if self._is_to_start(record.slice_id):
            self._may_start_since[record.slice_id] = now
            return False
        since = self._may_start_since.get(record.slice_id, max(record.created_at, self._began))
        return now - since > self._patience.start_within

    def _is_dead(self, record: SliceRecord) -> bool:
        view = self._fleet.node(record.gpu.node)
        if view is None or not self._fleet.is_here(record.gpu.node):
            return False
        if record.root_pid is None or record.root_start_time is None:
            return False
        process = StartedProcess(view.boot_id, record.root_pid, record.root_start_time)
        return not is_alive(process, view.boot_id)


def _log_standing(standing: HubStanding) -> None:
    match standing:
        case HubStanding.OK:
            _LOG.info("the hub answers")
        case HubStanding.CANNOT_STOP_SERVERS:
            _LOG.warning(
                "the hub answers, and does not let the service stop servers (`sublet evict`): its "
                "role lacks delete:servers"
            )
        case HubStanding.CANNOT_START_SERVERS:
            _LOG.warning(
                "the hub answers, and does not let the service start servers that wait in line: "
                "its role lacks servers"
            )
        case HubStanding.CANNOT_LIST_GROUPS:
            _LOG.warning(
                "the hub answers, and does not tell of its groups, so nobody is warned of one that "
                "the quota document names and the hub has not: its role lacks list:groups"
            )
        case _:
            _LOG.error("the hub answers, and the service's token is not its own (%s)", standing)
