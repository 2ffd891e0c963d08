"""The file of the accounts that have or had a slice here, until the machine is booted again.

An account's processes outlive its slice, and the agent: whoever left some behind may use a GPU with
them after an upgrade, too. No process outlives the boot.
"""

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from sublet_agent.boot_file import BootFile

log = logging.getLogger(__name__)


class AccountsFile:
    """Such a file, for the agent's account alone."""

    def __init__(self, path: Path, boot_id: str) -> None:
        self.path: Final = path
        self._file = BootFile(path, boot_id)

    def load(self) -> frozenset[int]:
        """Return the accounts, by uid; none where the file is of another boot, or unreadable."""
        uids = self._file.read("the accounts", lambda kept: frozenset(map(int, kept["uids"])))
        return uids or frozenset()

    def keep(self, uids: Iterable[int]) -> None:
        """Replace what is kept; where that fails they are known until the agent's end alone."""
        try:
            self._file.write(uids=sorted(uids))
        except OSError as error:
            log.warning("accounts that have a slice here cannot be written down: %s", error)
