"""Cases of admission: a wish, what is held already, and what comes of it."""

from dataclasses import dataclass, field
from textwrap import dedent

from sublet_quota.admission.slice_request import RequestedSlice
from sublet_quota.holdings.gpu_load import GpuFacts, Holding
from sublet_quota.reasons.refusal import RefusalReason

SIZES = dedent(
    """
    sizes:
      small: {memory: 10 GiB, compute: 0.125}
      big: {memory: 40 GiB, compute: 0.5, groups: [staff]}
    """
)


@dataclass(frozen=True)
class Case:
    wish: RequestedSlice
    reason: RefusalReason
    words: str
    numbers: dict[str, int] = field(default_factory=dict)
    document: str = SIZES
    world: tuple[GpuFacts | Holding, ...] = ()


def amounts(mib: int | None, milli: int | None, **others: str) -> RequestedSlice:
    return RequestedSlice("ada", memory_mib=mib, compute_milli=milli, **others)
