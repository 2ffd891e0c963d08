"""A file that says something of GPUs, and counts until the machine is booted again."""

import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

from sublet_quota.names.ids import GpuId

from sublet_agent.durable_writes import replace_file

Kept = TypeVar("Kept")

log = logging.getLogger(__name__)


class GpusOfThisBoot:
    """Such a file."""

    def __init__(self, path: Path, boot_id: str) -> None:
        self.path: Final = path
        self._boot_id: Final = boot_id

    def read(self, what: str, parse: Callable[[Any], Kept]) -> dict[GpuId, Kept]:
        """Return what the file says of each GPU; nothing where it is of another boot.

        A file that cannot be read says nothing, and is told in the log with ``what`` it would hold.
        """
        try:
            kept = json.loads(self.path.read_bytes())
            if kept["boot"] != self._boot_id:
                return {}
            return {GpuId(str(gpu_id)): parse(each) for gpu_id, each in kept["gpus"].items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError, LookupError, AttributeError) as error:
            log.warning("%s in %s cannot be read: %s", what, self.path, error)
            return {}

    def write(self, gpus: Mapping[GpuId, Any]) -> None:
        """Let the file say just this, each as JSON. ``OSError``."""
        replace_file(self.path, json.dumps({"boot": self._boot_id, "gpus": gpus}).encode())
