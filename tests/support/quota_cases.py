"""Builders for the quota tests: a document from YAML, GPUs and slices in one line each."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from sublet_quota.amounts.gpu_amounts import MIB_PER_GIB, GpuAmount
from sublet_quota.amounts.gpu_kind import GpuKind
from sublet_quota.holdings.gpu_load import AsBefore, GpuFacts, Holding
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.holdings.kept_cards import KeptFor
from sublet_quota.names.ids import GpuId, GroupName, NodeId, PoolName, SliceId, UserName
from sublet_quota.residency.snapshot import Holder, Rank

from tests.support.quota_documents import document

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
MARGIN_MIB = 1024
H100 = GpuKind("NVIDIA H100 80GB HBM3", 80 * MIB_PER_GIB, MARGIN_MIB)
L4 = GpuKind("NVIDIA L4", 24 * MIB_PER_GIB, MARGIN_MIB)


def a_reservation_of(group: str) -> KeptFor:
    """The reservation of a group that begins a minute after noon, for an hour."""
    begin = NOON + timedelta(minutes=1)
    return KeptFor(GroupName(group), begin, begin + timedelta(hours=1))


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
    closed_for_good: bool = False,
) -> GpuFacts:
    card = GpuId(name), NodeId(node), index, kind
    return GpuFacts(*card, closed, pause_only, closed_for_good=closed_for_good)


def notebook(  # noqa: PLR0913 - a builder
    name: str,
    owner: str = "ada",
    amount: GpuAmount | None = None,
    on: str = "gpu-0",
    *,
    group: str | None = None,
    named: bool = False,
    member_of: tuple[str, ...] | None = None,
    since: int = 0,
    pool: str = "interactive",
    unsuspendable: bool = False,
    called_back: bool = False,
    before: AsBefore | None = None,
) -> Holding:
    """A slice, since so many minutes past noon; its owner is a member of the group that pays."""
    members = member_of if member_of is not None else (group,) if group else ()
    return Holding(
        slice_id=SliceId(name),
        owner=UserName(owner),
        holder=Holder.NOTEBOOK,
        gpu_id=GpuId(on),
        pool=PoolName(pool),
        amount=gib(20, 250) if amount is None else amount,
        group=None if group is None else GroupName(group),
        named=named,
        member_of=tuple(GroupName(each) for each in members),
        since=NOON + timedelta(minutes=since),
        unsuspendable=unsuspendable,
        called_back=called_back,
        before=before,
    )


def part(of_a_card: float, kind: GpuKind = H100) -> GpuAmount:
    """What a part of a card comes to, in memory and compute alike."""
    return GpuAmount(int(kind.usable_mib * of_a_card), int(1000 * of_a_card))


def job_slice(  # noqa: PLR0913 - a builder
    name: str,
    owner: str = "ada",
    amount: GpuAmount | None = None,
    on: str = "gpu-0",
    *,
    group: str | None = None,
    entitled: bool = False,
) -> Holding:
    return Holding(
        slice_id=SliceId(name),
        owner=UserName(owner),
        holder=Holder.JOB,
        gpu_id=GpuId(on),
        pool=PoolName("interactive"),
        amount=gib(79, 1000) if amount is None else amount,
        group=None if group is None else GroupName(group),
        since=NOON,
        job_rank=Rank.ENTITLED if entitled else Rank.BORROWED,
    )


def holdings(text: str = "", *entries: GpuFacts | Holding) -> Holdings:
    """Holdings under a document; with one H100 where no GPU is named."""
    gpus = [entry for entry in entries if isinstance(entry, GpuFacts)]
    slices = [entry for entry in entries if isinstance(entry, Holding)]
    return Holdings(document(text), gpus or [gpu()], slices)


def give_grace(held: Holdings, slice_ids: Iterable[SliceId], now: datetime) -> None:
    """Let slices go on as before for the grace, as the service does whose owners left a group."""
    for slice_id, before in tuple(held.graces(slice_ids, now)):
        holding = held.slice(slice_id)
        assert holding is not None
        held.put(replace(holding, before=before))
