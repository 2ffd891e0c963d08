"""Whether the hub knows the groups and users that the quota document names.

The hub is asked when other names are to be known, and every few minutes; users one at a time, as
few are named. A hub that does not answer leaves what it said before; one that does not tell of its
groups is said to, and nothing is refused for either.
"""

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

KEPT_S: Final = 300.0
KEPT_FOR_ADMINS_S: Final = 2.0
"""Who looks at the warnings is told of what was mended so long ago."""
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

    def __init__(self, hub: HubClient, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self._hub = hub
        self._monotonic_s = monotonic_s
        self._known: KnownNames | None = None
        self._asked_s = self._all_asked_s = 0.0
        self._told: _Told | None = None

    async def look(self, document: QuotaDocument, kept_s: float = KEPT_S) -> None:
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
        is_old = known is None or self._monotonic_s() - self._all_asked_s >= KEPT_S
        there = {} if known is None or is_old else {n: True for n in users if known.users.get(n)}
        try:
            self._known = await self._ask(users - there.keys(), there)
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
        if told is None or told.document is not document or told.known is not known:
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

    async def _ask(self, users: Iterable[str], there: Mapping[str, bool]) -> KnownNames:
        groups = await self._hub.group_names()
        asked = {name: await self._hub.user(name) is not None for name in sorted(users)}
        found = {**there, **asked}
        is_all_known = all(found.values())
        near = frozenset() if is_all_known else await self._hub.some_user_names()
        return KnownNames(groups, found, near)
