"""The processes of the server's kernels.

The agent knows the same where server and agent number processes alike: not from inside a container
of its own.
"""

from typing import Any

import psutil


def pid_of(kernel: Any) -> int | None:
    """Return the first process of a kernel; ``None`` where it does not run as one here."""
    pid = getattr(getattr(kernel, "provisioner", None), "pid", None)
    return pid if isinstance(pid, int) and pid > 0 else None


def processes_of(kernels: Any) -> dict[str, frozenset[int]]:
    """Return the pids of each kernel of a ``MappingKernelManager`` with its descendants. Blocks."""
    return {
        kernel_id: _descendants(pid_of(kernels.get_kernel(kernel_id)))
        for kernel_id in kernels.list_kernel_ids()
    }


def _descendants(pid: int | None) -> frozenset[int]:
    if pid is None:
        return frozenset()
    try:
        children = psutil.Process(pid).children(recursive=True)
    except psutil.Error:
        return frozenset({pid})
    return frozenset({pid, *(child.pid for child in children)})
