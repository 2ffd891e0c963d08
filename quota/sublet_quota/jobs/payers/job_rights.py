"""Where a payer's rights let a job run, and how large it may be there.

Jobs may use the types that ``jobs.types`` says, else those that slices may lie on. Where a document
says which sizes may be picked, and not all of them, a job is no larger than the largest of them: on
the types of that size, or of the pool it lies in, and on those that ``jobs.types`` names. That a
size is ``for`` some groups bounds nobody else's jobs.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from sublet_quota.admission.slice_request import amount_of, sizes_for
from sublet_quota.amounts.gpu_amounts import GpuAmount
from sublet_quota.amounts.gpu_kind import GpuKind
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.document.right_values import BUILT_IN, PayerRights, Rights, Source
from sublet_quota.document.rights import rights_of
from sublet_quota.document.sections import SliceSize
from sublet_quota.jobs.waiting_job import WaitingJob
from sublet_quota.names.ids import GroupName, UserName


@dataclass(frozen=True, slots=True)
class RightsOfJobs:
    """What a payer lets jobs use."""

    payer: PayerRights
    document: QuotaDocument

    @property
    def types(self) -> frozenset[str] | None:
        """The types that jobs may use; ``None``: all."""
        job_types = self.payer.job_types.value
        return self.payer.types.value if job_types is None else job_types

    @property
    def source_of_types(self) -> Source:
        """Where the types are said."""
        said = self.payer.types if self.payer.job_types.value is None else self.payer.job_types
        return said.source

    def may_use(self, gpu_type: str) -> bool:
        """Whether jobs may use a type at all."""
        return self.types is None or gpu_type in self.types

    def largest_on(self, kind: GpuKind, gpu_type: str) -> GpuAmount | None:
        """Return the largest size that bounds jobs on a kind; ``None``: no size does."""
        if not self._is_bounded():
            return None
        amounts = [amount_of(size, kind) for size in self._sizes_on(gpu_type)]
        key = lambda amount: (amount.memory_mib, amount.compute_milli)  # noqa: E731
        return max(amounts, key=key, default=GpuAmount(0, 0))

    def allows(self, job: WaitingJob, kind: GpuKind, gpu_type: str) -> bool:
        """Whether a job may run on GPUs of a kind."""
        if not self.may_use(gpu_type):
            return False
        if not self._is_bounded():
            return True
        asked = job.amount_on(kind)
        return any(asked.fits_in(amount_of(size, kind)) for size in self._sizes_on(gpu_type))

    def _is_bounded(self) -> bool:
        sizes = self.payer.sizes
        if sizes.value is None or sizes.source == BUILT_IN:
            return False
        return not sizes.value >= self.document.sizes.keys()

    def _sizes_on(self, gpu_type: str) -> Iterator[SliceSize]:
        named_for_jobs = self.payer.job_types.value
        for size in sizes_for(self.document, self.payer).values():
            types = self._types_of(size)
            is_named = named_for_jobs is not None and gpu_type in named_for_jobs
            if types is None or gpu_type in types or is_named:
                yield size

    def _types_of(self, size: SliceSize) -> tuple[str, ...] | None:
        if size.types is not None:
            return size.types
        pool = self.document.pools.get(size.pool or self.document.default_pool)
        return None if pool is None else pool.types


@dataclass(slots=True)
class KnownRights:
    """The rights of owners under one document, each looked up once."""

    document: QuotaDocument
    _rights: dict[tuple[UserName, tuple[str, ...]], Rights] = field(default_factory=dict)
    _kinds: dict[object, frozenset[GpuKind]] = field(default_factory=dict)

    def of(self, owner: UserName, hub_groups: tuple[str, ...]) -> Rights:
        """Return what an owner may have."""
        key = owner, hub_groups
        if key not in self._rights:
            self._rights[key] = rights_of(self.document, owner, hub_groups)
        return self._rights[key]

    def kinds_for(self, job: WaitingJob, kinds: Mapping[GpuKind, str]) -> frozenset[GpuKind]:
        """Return where the rights of the job's payer let it run, of these kinds."""
        payers = payers_of(self.of(job.owner, job.hub_groups), job.group)
        return frozenset().union(*(self._allowed(payer, job, kinds) for payer in payers))

    def _allowed(
        self, payer: PayerRights, job: WaitingJob, kinds: Mapping[GpuKind, str]
    ) -> frozenset[GpuKind]:
        key = payer, job.memory_mib, job.compute_milli, frozenset(kinds)
        if key not in self._kinds:
            self._kinds[key] = kinds_allowed(RightsOfJobs(payer, self.document), job, kinds)
        return self._kinds[key]


def payers_of(rights: Rights, group: GroupName | None) -> tuple[PayerRights, ...]:
    """Return what holds for what a group pays; where it is none of the owner's now, all theirs."""
    named = tuple(payer for payer in rights.payers if payer.group == group)
    return named or rights.payers


def kinds_allowed(
    rights: RightsOfJobs, job: WaitingJob, kinds: Mapping[GpuKind, str]
) -> frozenset[GpuKind]:
    """Return the kinds on which a job may run."""
    allowed: Iterable[GpuKind] = (
        kind for kind, gpu_type in kinds.items() if rights.allows(job, kind, gpu_type)
    )
    return frozenset(allowed)
