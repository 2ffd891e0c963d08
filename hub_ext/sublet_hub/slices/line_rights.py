"""Looks whether those who wait in line are still users, and in the groups by which they joined it.

The hub is asked after one of them at a time, each about once a minute, as memberships change
seldom; a hub that does not answer changes nothing. Whom it does not know any more leaves the line
at once, and whom no waiting helps by what it says in the next round.
"""

from collections.abc import Iterator
from typing import Final

from sublet_quota.names.ids import UserName
from sublet_quota.reasons.server_queue import LineEnd, line_end_words
from sublet_quota.wire.event_kinds import EventKind

from sublet_hub.errors import HubUnreachableError
from sublet_hub.slices.hub_users import HubUsers
from sublet_hub.slices.server_queue import ServerQueue
from sublet_hub.state.owner_accounts import OwnerAccounts

_MOST_AT_ONCE: Final = 200
"""After so many the hub is asked in one look."""


class LineRights:
    """Those who wait: whether they are users, and their groups."""

    def __init__(self, line: ServerQueue, users: HubUsers, accounts: OwnerAccounts) -> None:
        self._line = line
        self._users = users
        self._accounts = accounts
        self._left: list[UserName] = []
        """Who is yet to be looked at, before all are again."""

    async def look(self) -> None:
        """Ask after some of those who wait, the next ones, and note the groups they are in now."""
        for owner in self._next():
            account = self._accounts.find(owner)
            if account is None:
                continue
            try:
                found = await self._users.ask_anew(owner)
            except HubUnreachableError:
                return
            if found is None:
                self._take_out(owner)
            elif found.groups is not None and sorted(found.groups) != sorted(account.groups):
                known = account.model_copy(update={"groups": tuple(sorted(found.groups))})
                self._accounts.remember(known)
                self._line.rights_changed()

    def _take_out(self, owner: UserName) -> None:
        words = line_end_words(LineEnd.NO_USER)
        for entry in [each for each in self._line.entries.values() if each.owner == owner]:
            self._line.end(entry, EventKind.QUEUE_GAVE_UP, words)

    def _next(self) -> Iterator[UserName]:
        waiting = {owner for owner, _ in self._line.entries}
        if not self._left:
            self._left = sorted(waiting)
        part, self._left = self._left[:_MOST_AT_ONCE], self._left[_MOST_AT_ONCE:]
        return (owner for owner in part if owner in waiting)
