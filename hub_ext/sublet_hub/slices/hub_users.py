"""The groups of users other than the caller: as the hub says, else as when they were last here.

A hub that does not answer is no reason to say nothing of somebody whose servers are known here;
of somebody else nothing is known then, not even whether they exist.
"""

import time
from collections import OrderedDict
from collections.abc import Collection, Mapping
from typing import Final

from sublet_quota.names.ids import UserName

from sublet_hub.errors import HubUnreachableError, NotFoundError
from sublet_hub.ledger.ledger import Ledger
from sublet_hub.slices.jupyterhub_client import HubClient, HubUser
from sublet_hub.state.owner_accounts import OwnerAccounts

_KEPT_S: Final = 30.0
_MOST_KEPT: Final = 1000


class HubUsers:
    """The users of the hub, asked after one at a time; answers are kept for 30 seconds."""

    def __init__(self, hub: HubClient, ledger: Ledger, accounts: OwnerAccounts) -> None:
        self._hub = hub
        self._ledger = ledger
        self._accounts = accounts
        self._kept: OrderedDict[str, tuple[float, HubUser | None]] = OrderedDict()

    async def groups_of(self, owner: UserName) -> tuple[str, ...] | None:
        """Return a user's groups; ``None`` where nobody says.

        ``NotFoundError`` for somebody whom neither the hub nor the ledger knows;
        ``HubUnreachableError`` where the hub does not answer and they are not known here.
        """
        account = self._accounts.find(owner)
        here = account is not None or bool(self._ledger.slices_of_owner(owner))
        before = None if account is None else account.groups
        try:
            found = await self._ask(owner)
        except HubUnreachableError:
            if not here:
                raise
            return before
        if found is None and not here:
            message = f"JupyterHub knows no user {owner!r}: names are as on the hub's admin page"
            raise NotFoundError(message)
        return before if found is None or found.groups is None else found.groups

    async def ask_anew(self, owner: UserName) -> HubUser | None:
        """Return a user as the hub says now; ``None`` where it knows nobody of that name.

        ``HubUnreachableError`` where it does not say.
        """
        self._kept.pop(owner, None)
        return await self._ask(owner)

    async def members_of(self, groups: Collection[str]) -> Mapping[str, frozenset[str]]:
        """Return the users in each of some groups; nobody where the service may not see groups.

        ``HubUnreachableError`` where the hub does not say.
        """
        return await self._hub.members_of(groups) if groups else {}

    async def _ask(self, owner: UserName) -> HubUser | None:
        kept = self._kept.get(owner)
        if kept is not None and time.monotonic() - kept[0] < _KEPT_S:
            return kept[1]
        found = await self._hub.user(owner)
        self._kept[owner] = (time.monotonic(), found)
        self._kept.move_to_end(owner)
        while len(self._kept) > _MOST_KEPT:
            self._kept.popitem(last=False)
        return found
