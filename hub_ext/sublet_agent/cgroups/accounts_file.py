"""The file of the accounts that have or had a slice here, until the machine is booted again.

An account's processes outlive its slice, and the agent: whoever left some behind may use a GPU with
them after an upgrade, too. No process outlives the boot.
"""

import json
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from sublet_agent.durable_writes import replace_file

log = logging.getLogger(__name__)


class AccountsFile:
    """Such a file, for the agent's account alone."""

    def __init__(self, path: Path, boot_id: str) -> None:
        self.path: Final = path
        self._boot_id: Final = boot_id

    def load(self) -> frozenset[int]:
        """Return the accounts, by uid; none where the file is of another boot, or unreadable."""
        try:
            kept = json.loads(self.path.read_bytes())
            if kept["boot"] != self._boot_id:
                return frozenset()
            return frozenset(map(int, kept["uids"]))
        except FileNotFoundError:
            return frozenset()
        except (OSError, ValueError, TypeError, LookupError) as error:
            log.warning("the accounts in %s cannot be read: %s", self.path, error)
            return frozenset()

    def keep(self, uids: Iterable[int]) -> None:
        """Replace what is kept; where that fails they are known until the agent's end alone."""
        fields = {"boot": self._boot_id, "uids": sorted(uids)}
        try:
            replace_file(self.path, json.dumps(fields).encode())
        except OSError as error:
            log.warning("accounts that have a slice here cannot be written down: %s", error)
