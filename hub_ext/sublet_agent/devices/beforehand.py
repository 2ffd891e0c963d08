"""The look into ``/proc`` beforehand: what a process has mapped that forbids suspending it.

*CUDA IPC.* As soon as it is used, both sides map a file ``/dev/shm/cuda.shm.*``; checkpointing such
a process succeeds, and restoring it then fails for ever. Simulated processes map one too.

*Profilers and other tools* are not supported by the checkpoint API. That ``libcupti`` is mapped
says nothing: PyTorch maps it when it is imported (for ``torch.profiler``), and was suspended intact
with it. What says that a tool is at work are the libraries that tools inject, those that CUPTI
itself loads only once its counters are used, and ``CUDA_INJECTION64_PATH``: the driver loads that
library into every process that begins to use CUDA. A running ``torch.profiler`` shows in none of
these.
"""

from pathlib import Path
from typing import Final

from sublet_procfs.tenant_memory import TenantMemory, tenant_memory
from sublet_quota.reasons.obstacles import Obstacle, Unsuspendable

_SHARED_MEMORY: Final = "/cuda.shm."
_INJECTION: Final = "CUDA_INJECTION64_PATH"
TOOLS: Final = (
    # Nsight Systems: what it injects, and what it preloads into a process tree to do so.
    "libToolsInjection64.so",
    "libToolsInjectionProxy64.so",
    # Nsight Compute and Compute Sanitizer.
    "libcuda-injection.so",
    "libInterceptorInjectionTarget.so",
    "libTreeLauncherTargetInjection.so",
    "libsanitizer-collection.so",
    "libsanitizer-public.so",
    # nvprof.
    "libcuinj64.so",
    # CUPTI loads these by itself when its counters are used, and not when it is loaded.
    "libnvperf_host.so",
    "libnvperf_target.so",
)
"""The libraries by which a tool is known, by the beginnings of their files' names."""


def why_not_suspendable(
    pid: int,
    whose: str | None = None,
    proc: Path = Path("/proc"),
    memory: TenantMemory | None = None,
) -> Unsuspendable | None:
    """Return why the process must not be suspended, as ``/proc`` tells, or ``None``.

    What cannot be read counts as a reason, be it kept from being read: a mistake here loses a
    notebook. Blocks, for seconds at the worst.
    """
    memory = tenant_memory() if memory is None else memory
    try:
        patterns = (_SHARED_MEMORY, *(f"/{each}" for each in TOOLS))
        mapped = memory.mapped(pid, patterns, proc, whose)
        # An empty path names none.
        injected = any(memory.variables(pid, _INJECTION, proc, whose=whose))
    except FileNotFoundError:
        return Unsuspendable(Obstacle.UNREADABLE, f"process {pid} is gone")
    except ProcessLookupError:
        return Unsuspendable(Obstacle.UNREADABLE, f"the main thread of process {pid} has ended")
    except OSError as error:
        detail = f"what process {pid} has mapped cannot be read: {error.strerror}"
        return Unsuspendable(Obstacle.UNREADABLE, detail)
    if _SHARED_MEMORY in mapped:
        detail = "it shares GPU memory with another process (CUDA IPC)"
        return Unsuspendable(Obstacle.CUDA_IPC, detail)
    tool = next((each for each in TOOLS if f"/{each}" in mapped), None)
    if tool is None and injected:
        tool = _INJECTION
    if tool is not None:
        detail = f"a profiler or another tool is in process {pid} ({tool})"
        return Unsuspendable(Obstacle.PROFILER, detail)
    return None
