"""Builders for the quota tests: a document from YAML, GPUs and slices in one line each."""

from datetime import UTC, datetime
from textwrap import dedent

from sublet_quota.admission.slice_request import RequestedSlice
from sublet_quota.amounts.gpu_amounts import MIB_PER_GIB, GpuAmount
from sublet_quota.amounts.gpu_kind import GpuKind
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.document.reading import read_quota_document
from sublet_quota.holdings.gpu_load import GpuFacts, Holding
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.names.ids import GpuId, GroupName, NodeId, PoolName, SliceId, UserName
from sublet_quota.placement.slice_placement import decide_slice
from sublet_quota.reasons.refusal import Refusal
from sublet_quota.residency.snapshot import Holder

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
MARGIN_MIB = 1024
H100 = GpuKind("NVIDIA H100 80GB HBM3", 80 * MIB_PER_GIB, MARGIN_MIB)
L4 = GpuKind("NVIDIA L4", 24 * MIB_PER_GIB, MARGIN_MIB)


def document(text: str = "") -> QuotaDocument:
    return read_quota_document(dedent(text))


def gib(amount: float, compute_milli: int = 1) -> GpuAmount:
    return GpuAmount(int(amount * MIB_PER_GIB), compute_milli)


def gpu(  # noqa: PLR0913 - a builder
    name: str = "gpu-0",
    kind: GpuKind = H100,
    node: str = "node-a",
    index: int = 0,
    *,
    closed: str | None = None,
    pause_only: bool = False,
) -> GpuFacts:
    return GpuFacts(GpuId(name), NodeId(node), index, kind, closed, pause_only)


def notebook(  # noqa: PLR0913 - a builder
    name: str,
    owner: str = "ada",
    amount: GpuAmount | None = None,
    on: str = "gpu-0",
    *,
    groups: tuple[str, ...] = (),
    pool: str = "interactive",
    unsuspendable: bool = False,
) -> Holding:
    return Holding(
        slice_id=SliceId(name),
        owner=UserName(owner),
        holder=Holder.NOTEBOOK,
        gpu_id=GpuId(on),
        pool=PoolName(pool),
        amount=gib(20, 250) if amount is None else amount,
        groups=tuple(GroupName(group) for group in groups),
        unsuspendable=unsuspendable,
    )


def job_slice(name: str, owner: str = "ada", amount: GpuAmount | None = None) -> Holding:
    return Holding(
        slice_id=SliceId(name),
        owner=UserName(owner),
        holder=Holder.JOB,
        gpu_id=GpuId("gpu-0"),
        pool=PoolName("interactive"),
        amount=gib(79, 1000) if amount is None else amount,
    )


def holdings(text: str = "", *entries: GpuFacts | Holding) -> Holdings:
    """Holdings under a document; with one H100 where no GPU is named."""
    gpus = [entry for entry in entries if isinstance(entry, GpuFacts)]
    slices = [entry for entry in entries if isinstance(entry, Holding)]
    return Holdings(document(text), gpus or [gpu()], slices)


def hand_out(held: Holdings, wish: RequestedSlice, name: str) -> Holding | Refusal:
    """Decide on a wish and, where it is granted, hand the slice out."""
    answer = decide_slice(held, wish)
    if isinstance(answer, Refusal):
        return answer
    granted = Holding(
        slice_id=SliceId(name),
        owner=answer.owner,
        holder=Holder.NOTEBOOK,
        gpu_id=answer.gpu_id,
        pool=answer.pool,
        amount=answer.amount,
        groups=answer.groups,
    )
    held.put(granted)
    return granted
