"""The accounts of owners, as the hub last said: how spawners run their processes, and jobs too.

Kept in private files, not in the ledger: an account's environment is its owner's business.
"""

import asyncio
import hashlib
import logging
from collections.abc import Iterable, Iterator
from pathlib import Path

from pydantic import ValidationError
from sublet_quota.names.ids import UserName
from sublet_quota.wire.api import AccountTemplate
from sublet_quota.wire.schema import Name, WireModel

from sublet_hub.host.private_files import make_private_folder, write_private

_LOG = logging.getLogger(__name__)


class OwnerAccount(WireModel):
    """An owner's account and groups, as they were when a server of theirs last started."""

    owner: Name
    groups: tuple[Name, ...]
    template: AccountTemplate


class OwnerAccounts:
    """The accounts of all owners."""

    def __init__(self, folder: Path) -> None:
        self._folder = make_private_folder(folder)
        self._known: dict[UserName, OwnerAccount] = {}
        self._missing: set[UserName] = set()
        """Of whom the hub never said anything, as far as that was looked at."""

    def remember(self, account: OwnerAccount) -> None:
        """Keep what the hub said of an owner; written only when it is news."""
        owner = UserName(account.owner)
        if self.find(owner) != account:
            write_private(self._path(owner), account.model_dump_json().encode())
            self._known[owner] = account
            self._missing.discard(owner)

    async def have_read(self, owners: Iterable[UserName]) -> None:
        """Read the accounts of many, beside the loop: ``find`` then has them at once."""
        unread = tuple(self._unread(owners))
        if not unread:
            return
        found = await asyncio.to_thread(self._read_all, unread)
        for owner, account in found.items():
            # What was remembered meanwhile is newer.
            if account is not None:
                self._known.setdefault(owner, account)
            elif owner not in self._known:
                self._missing.add(owner)

    def _unread(self, owners: Iterable[UserName]) -> Iterator[UserName]:
        return (each for each in owners if each not in self._known and each not in self._missing)

    def _read_all(self, owners: Iterable[UserName]) -> dict[UserName, OwnerAccount | None]:
        """Return the accounts that can be read, and ``None`` where there are none."""
        found = ((owner, self._read(owner)) for owner in owners)
        return {
            owner: account
            for owner, account in found
            if account is not None or not self._path(owner).exists()
        }

    def find(self, owner: UserName) -> OwnerAccount | None:
        """Return what the hub last said of this owner; ``None`` if it never did."""
        known = self._known.get(owner)
        if known is None and owner not in self._missing:
            known = self._read(owner)
            if known is not None:
                self._known[owner] = known
        return known

    def _read(self, owner: UserName) -> OwnerAccount | None:
        try:
            return OwnerAccount.model_validate_json(self._path(owner).read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValidationError) as error:
            _LOG.warning("the account of an owner cannot be read: %s", type(error).__name__)
            return None

    def _path(self, owner: UserName) -> Path:
        return self._folder / f"{hashlib.sha256(owner.encode()).hexdigest()}.json"
