"""Whether the hub knows the groups and users that the quota document names.

The hub is asked when other names are to be known, and every few minutes; users one at a time, as
few are named. A hub that does not answer leaves what it said before, and keeps nobody waiting who
asks for warnings; one that does not tell of its groups is said to, and nothing is refused for
either.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from sublet_quota.document.consistency.hub_names import (
    KnownNames,
    hub_name_warnings,
    named_users,
    names_groups,
    unknown_group,
    unknown_user,
)
from sublet_quota.document.consistency.warnings import DocumentWarning
from sublet_quota.document.quota_document import QuotaDocument

from sublet_hub.errors import HubUnreachableError
from sublet_hub.slices.jupyterhub_client import HubClient

_KEPT_S: Final = 300.0
_KEPT_FOR_ADMINS_S: Final = 2.0
"""Who looks at the warnings is told of what was mended so long ago."""
_ADMINS_WAIT_S: Final = 5.0
_MOST_USERS: Final = 200
"""So many of the named users are asked after; of others nothing is said."""
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Told:
    """What was said of a document: who reads metrics asks for the same again and again."""

    document: QuotaDocument
    known: KnownNames
    warnings: tuple[DocumentWarning, ...]


class HubNames:
    """What the hub says of the names in quota documents."""

    def __init__(
        self,
        hub: HubClient,
        monotonic_s: Callable[[], float] = time.monotonic,
        patience_s: float = _ADMINS_WAIT_S,
    ) -> None:
        """``patience_s``: how long an admin who looks at warnings waits for the hub."""
        self._hub = hub
        self._monotonic_s = monotonic_s
        self._patience_s = patience_s
        self._known: KnownNames | None = None
        self._asked_s = self._all_asked_s = 0.0
        self._told: _Told | None = None

    async def look_for_admin(self, document: QuotaDocument) -> None:
        """Ask the hub anew for who looks at the warnings of a document, and waits for it."""
        try:
            async with asyncio.timeout(self._patience_s):
                await self.look(document, _KEPT_FOR_ADMINS_S)
        except TimeoutError:
            _LOG.info("the hub does not say in time whether it knows the quota document's names")

    async def look(self, document: QuotaDocument, kept_s: float = _KEPT_S) -> None:
        """Ask the hub for what a document names, unless that was asked in the last ``kept_s``.

        Who looks at warnings has perhaps just mended them: of users those alone are then asked
        after whom the hub did not know.
        """
        users = frozenset(sorted(named_users(document))[:_MOST_USERS])
        known, age_s = self._known, self._monotonic_s() - self._asked_s
        if known is not None and users <= known.users.keys() and age_s < kept_s:
            return
        if not users and not names_groups(document):
            return
        is_old = known is None or self._monotonic_s() - self._all_asked_s >= _KEPT_S
        before = {} if known is None or is_old else known.users
        # Those whom another document names are known as before: that may be the one in force.
        kept = {name: there for name, there in before.items() if there or name not in users}
        try:
            self._known = await self._ask(users - kept.keys(), kept)
        except HubUnreachableError as error:
            _LOG.debug("whether the hub knows the names in the quota document: %s", error)
            return
        self._asked_s = self._monotonic_s()
        if is_old:
            self._all_asked_s = self._asked_s

    def warnings(self, document: QuotaDocument) -> tuple[DocumentWarning, ...]:
        """Return which names the hub does not know, as far as it was asked."""
        known = self._known
        if known is None:
            return ()
        told = self._told
        if told is None or told.document is not document or told.known != known:
            warnings = hub_name_warnings(document, known)
            self._told = told = _Told(document, known, warnings)
        return told.warnings

    async def unknown(self, *, user: str | None = None, group: str | None = None) -> str | None:
        """Ask the hub for a name, and return in words that it does not know it.

        ``None``: it does, or does not say.
        """
        try:
            if user is not None and await self._hub.user(user) is None:
                return unknown_user(user, await self._hub.some_user_names())
            names = None if group is None else await self._hub.group_names()
        except HubUnreachableError as error:
            _LOG.debug("whether the hub knows a name: %s", error)
            return None
        if group is None or names is None or group in names:
            return None
        return unknown_group(group, names)

    async def _ask(self, users: Iterable[str], kept: Mapping[str, bool]) -> KnownNames:
        groups = await self._hub.group_names()
        asked = {name: await self._hub.user(name) is not None for name in sorted(users)}
        found = {**kept, **asked}
        is_all_known = all(found.values())
        near = frozenset() if is_all_known else await self._hub.some_user_names()
        return KnownNames(groups, found, near)
