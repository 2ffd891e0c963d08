"""The environment variables that tell a process of a slice where it is, and how much is its own.

They are the first line of the caps: each limits one process of one framework, and only when it
starts. The agent keeps the cap over all of the slice's processes together.
"""

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from typing import Final

from sublet_quota.wire.api import Lease

CONTEXT_MIB: Final = 512
"""What a CUDA context takes beside what a framework's allocator counts (measured: 0.5 GiB)."""

LEAST_FRACTION: Final = 0.0001
"""Never zero: PyTorch would refuse to start, JAX would take its default."""

NO_GPU: Final = "none"
"""The name, in place of a size's, for a server without a GPU."""

HUGE_PAGES: Final = "glibc.malloc.hugetlb=1"
"""Suspends are 75 % and resumes 33 % faster with the image in huge pages."""

JOB_FILES_BELOW: Final = "SUBLET_JOB_FILES_BELOW"
"""A notebook server's variable: the service cannot reach its user's files, so it copies what its
jobs run itself. The value is the notebook folder."""

_FRACTION_DIGITS: Final = 4
_FRACTION_SETTING: Final = "per_process_memory_fraction"
_FRACTIONS: Final = ("PYTORCH_ALLOC_CONF", "XLA_CLIENT_MEM_FRACTION")


@dataclass(frozen=True, slots=True)
class SliceEndpoints:
    """Whom a slice's processes speak to: paths of Unix sockets, and the service's URL."""

    agent_socket: str
    service_url: str
    simulated_socket: str | None = None

    def __post_init__(self) -> None:
        """The service's URL ends with a slash, so that paths can be joined to it."""
        if not self.service_url.endswith("/"):
            object.__setattr__(self, "service_url", f"{self.service_url}/")


def slice_environment(
    lease: Lease,
    endpoints: SliceEndpoints,
    existing: Mapping[str, str] | None = None,
    context_mib: int = CONTEXT_MIB,
) -> dict[str, str]:
    """Return the variables to set (over ``existing``) in a server, kernel or job of this slice.

    Values that others may have set for their own reasons (``GLIBC_TUNABLES``,
    ``PYTORCH_ALLOC_CONF``) are added to, not replaced. ``PYTORCH_CUDA_ALLOC_CONF`` is left
    alone: the versions that read nothing else do not know the fraction, and refuse to use the
    GPU at all over a setting they do not know. There the agent alone keeps the cap.
    """
    before = existing or {}
    fraction = format_fraction(memory_fraction(lease, context_mib))
    variables = {
        "SUBLET_SLICE_ID": lease.slice_id,
        "SUBLET_AGENT_SOCKET": endpoints.agent_socket,
        "SUBLET_SERVICE_URL": endpoints.service_url,
        "SUBLET_GPU_ID": lease.gpu_id,
        "SUBLET_MEMORY_MIB": str(lease.memory_mib),
        "SUBLET_COMPUTE_MILLI": str(lease.compute_milli),
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
        "CUDA_VISIBLE_DEVICES": "" if lease.simulated else lease.gpu_id,
        "PYTORCH_ALLOC_CONF": _with_pytorch_fraction(before, fraction),
        "XLA_CLIENT_MEM_FRACTION": fraction,
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
        "TF_FORCE_GPU_ALLOW_GROWTH": "true",
        "GLIBC_TUNABLES": _with_huge_pages(before.get("GLIBC_TUNABLES", "")),
    }
    if lease.simulated and endpoints.simulated_socket is not None:
        variables["SUBLET_SIMULATED_SOCKET"] = endpoints.simulated_socket
    return variables


def resized_environment(
    memory_mib: int, compute_milli: int, gpu_memory_mib: int, existing: Mapping[str, str]
) -> dict[str, str]:
    """Return the variables that change (over ``existing``) when a slice gets another size.

    For processes that start from now on: frameworks read them once. Who was told no fraction is
    told none now: under a limit of the driver's, frameworks take the cap for the whole card.
    """
    sizes = {"SUBLET_MEMORY_MIB": str(memory_mib), "SUBLET_COMPUTE_MILLI": str(compute_milli)}
    pytorch = existing.get("PYTORCH_ALLOC_CONF", "")
    if "XLA_CLIENT_MEM_FRACTION" not in existing and _FRACTION_SETTING not in pytorch:
        return sizes
    fraction = format_fraction(_fraction(memory_mib, gpu_memory_mib, CONTEXT_MIB))
    return sizes | {
        "PYTORCH_ALLOC_CONF": _with_pytorch_fraction(existing, fraction),
        "XLA_CLIENT_MEM_FRACTION": fraction,
    }


def use_card(gpu_id: str | None, environment: MutableMapping[str, str]) -> None:
    """Let a kernel and what it starts use the card that its slice came to; ``None``: as it was.

    Where its memory is on a card already, that is moved with it, whatever the variables say.
    """
    known = environment.get("SUBLET_GPU_ID")
    if gpu_id is None or known is None or known == gpu_id:
        return
    environment["SUBLET_GPU_ID"] = gpu_id
    if environment.get("CUDA_VISIBLE_DEVICES") == known:
        environment["CUDA_VISIBLE_DEVICES"] = gpu_id


def without_fractions(variables: Mapping[str, str]) -> dict[str, str]:
    """Return a slice's variables for programs that do not see the card's whole memory.

    A fraction would be one of what they see: of the cap itself.
    """
    return {name: value for name, value in variables.items() if name not in _FRACTIONS}


def no_gpu_environment(service_url: str, reason: str) -> dict[str, str]:
    """Return the variables of a server without a slice, with the reason for its owner to read."""
    return {
        "SUBLET_SERVICE_URL": service_url if service_url.endswith("/") else f"{service_url}/",
        "SUBLET_NO_GPU_REASON": reason,
        "CUDA_VISIBLE_DEVICES": "",
    }


def memory_fraction(lease: Lease, context_mib: int = CONTEXT_MIB) -> float:
    """Return the part of the GPU's memory that a framework's allocator may fill.

    The cap counts everything that the process holds on the GPU, but the fraction covers the
    framework's allocator and not the CUDA context, so the context is taken off first. Rounded
    down to four decimals (8 MiB of an 80 GiB card): the cap is never exceeded by rounding.
    """
    return _fraction(lease.memory_mib, lease.gpu_memory_mib, context_mib)


def _fraction(memory_mib: int, gpu_memory_mib: int, context_mib: int) -> float:
    if gpu_memory_mib <= 0:
        return LEAST_FRACTION
    room_mib = max(0, min(memory_mib, gpu_memory_mib) - context_mib)
    scale = 10**_FRACTION_DIGITS
    return max(LEAST_FRACTION, (room_mib * scale // gpu_memory_mib) / scale)


def format_fraction(fraction: float) -> str:
    """Return a fraction as ``0.1219``: frameworks' parsers differ about scientific notation."""
    return f"{fraction:.{_FRACTION_DIGITS}f}"


def _with_pytorch_fraction(before: Mapping[str, str], fraction: str) -> str:
    """Return the settings for PyTorch with the fraction, also those of its older variable."""
    settings = before.get("PYTORCH_ALLOC_CONF") or before.get("PYTORCH_CUDA_ALLOC_CONF", "")
    kept = [
        setting
        for setting in _split_outside_brackets(settings)
        if setting.partition(":")[0].strip() != _FRACTION_SETTING
    ]
    return ",".join([*kept, f"{_FRACTION_SETTING}:{fraction}"])


def _split_outside_brackets(settings: str) -> list[str]:
    """Return what is between commas; those of ``roundup_power2_divisions:[256:1,512:2]`` stay."""
    parts, depth = [""], 0
    for letter in settings:
        depth += {"[": 1, "]": -1}.get(letter, 0)
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return [part.strip() for part in parts if part.strip()]


def _with_huge_pages(tunables: str) -> str:
    """Return the tunables with huge pages; what is set is kept, also another choice about them."""
    kept = [tunable for tunable in tunables.split(":") if tunable]
    name = HUGE_PAGES.partition("=")[0]
    if any(tunable.partition("=")[0] == name for tunable in kept):
        return ":".join(kept)
    return ":".join([*kept, HUGE_PAGES])
