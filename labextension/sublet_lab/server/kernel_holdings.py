"""The holdings of the server's kernels: Jupyter's sessions joined with the agent's word.

A kernel with Sublet's gate is known to the agent by its id. Others are found by their processes.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from sublet_quota.wire.notebook_server import KernelHolding
from sublet_quota.wire.tenant_socket import LocalShare, ShareProcess


def join(
    kernels: Iterable[Mapping[str, Any]],
    sessions: Iterable[Mapping[str, Any]],
    pids: Mapping[str, frozenset[int]],
    share: LocalShare,
) -> tuple[KernelHolding, ...]:
    """Return what each kernel holds; ``kernels``, ``sessions`` as Jupyter Server's API has them."""
    paths = {s["kernel"]["id"]: s.get("path") for s in sessions if s.get("kernel")}
    by_id: dict[str, list[ShareProcess]] = {str(kernel["id"]): [] for kernel in kernels}
    for process in share.processes:
        kernel_id = process.kernel
        if kernel_id not in by_id:
            kernel_id = next((k for k in by_id if process.pid in pids.get(k, ())), None)
        if kernel_id is not None:
            by_id[kernel_id].append(process)
    return tuple(
        KernelHolding(
            kernel_id=str(kernel["id"]),
            name=str(kernel.get("name") or "unknown")[:255],
            notebook=str(paths.get(kernel["id"]) or "")[:1000] or None,
            pids=tuple(sorted(process.pid for process in by_id[str(kernel["id"])])),
            memory_mib=sum(process.memory_mib for process in by_id[str(kernel["id"])]),
            memory_told=all(process.memory_told for process in by_id[str(kernel["id"])]),
            host_mib=sum(process.host_mib for process in by_id[str(kernel["id"])]),
            state=str(kernel.get("execution_state") or "unknown")[:255],
            waits=str(kernel["id"]) in share.waiting_kernels,
        )
        for kernel in kernels
    )
