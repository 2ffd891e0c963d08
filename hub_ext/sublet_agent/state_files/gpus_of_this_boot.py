"""A file that says something of GPUs, and counts until the machine is booted again."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

from sublet_quota.names.ids import GpuId

from sublet_agent.boot_file import BootFile

Kept = TypeVar("Kept")


class GpusOfThisBoot:
    """Such a file."""

    def __init__(self, path: Path, boot_id: str) -> None:
        self.path: Final = path
        self._file = BootFile(path, boot_id)

    def read(self, what: str, parse: Callable[[Any], Kept]) -> dict[GpuId, Kept]:
        """Return what the file says of each GPU; nothing where it is of another boot.

        A file that cannot be read says nothing, and is told in the log with ``what`` it would hold.
        """

        def of_each(kept: Any) -> dict[GpuId, Kept]:
            return {GpuId(str(gpu_id)): parse(each) for gpu_id, each in kept["gpus"].items()}

        return self._file.read(what, of_each) or {}

    def write(self, gpus: Mapping[GpuId, Any]) -> None:
        """Let the file say just this, each as JSON. ``OSError``."""
        self._file.write(gpus=gpus)
