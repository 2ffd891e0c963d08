"""A file in JSON that counts until the machine is booted again."""

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

from sublet_agent.durable_writes import replace_file

Kept = TypeVar("Kept")

log = logging.getLogger(__name__)


class BootFile:
    """Such a file, for the agent's account alone."""

    def __init__(self, path: Path, boot_id: str) -> None:
        self.path: Final = path
        self._boot_id: Final = boot_id

    def read(self, what: str, parse: Callable[[Any], Kept]) -> Kept | None:
        """Return what the file's fields say by ``parse``; ``None``: it is of another boot, or none.

        A file that cannot be read says nothing, and is told in the log with ``what`` it would hold.
        """
        try:
            kept = json.loads(self.path.read_bytes())
            return parse(kept) if kept["boot"] == self._boot_id else None
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, LookupError, AttributeError) as error:
            log.warning("%s in %s cannot be read: %s", what, self.path, error)
            return None

    def write(self, **fields: Any) -> None:
        """Let the file say just this, each as JSON. ``OSError``."""
        replace_file(self.path, json.dumps({"boot": self._boot_id, **fields}).encode())
