"""What a job's pod is made of, and which card it most likely has, from what the service knows."""

from sublet_quota.amounts.gpu_amounts import GpuAmount
from sublet_quota.amounts.lent_units import units_for
from sublet_quota.holdings.gpu_load import GpuFacts, cards_on
from sublet_quota.jobs.waiting_job import is_of_type
from sublet_quota.names.ids import GpuId, NodeId, PoolName
from sublet_quota.reasons.job_reasons import JobReason, JobReasonCode, job_clause
from sublet_quota.residency.snapshot import Holder

from sublet_hub.jobs.backends.kubernetes.attempts.node_choice import NodesForJobs, NotYetError
from sublet_hub.jobs.backends.kubernetes.attempts.status import SeenPod
from sublet_hub.jobs.backends.kubernetes.objects.names import NODES, nodes_mark, slice_id_of
from sublet_hub.jobs.backends.kubernetes.objects.pod import MOST_REQUEST, PlacedJob, annotations_of
from sublet_hub.jobs.backends.kubernetes.objects.settings import KubeJobSettings
from sublet_hub.kubernetes_api.resources import Manifest
from sublet_hub.ledger.records import JobRecord, PodIdentity, SliceRecord
from sublet_hub.state.stores import Stores


class CannotRunError(Exception):
    """No pod can be made of the job."""

    def __init__(self, why: JobReason) -> None:
        """``why``: for the job's owner."""
        self.why = why
        super().__init__(job_clause(why))


class Attempts:
    """Puts attempts of jobs together."""

    def __init__(self, stores: Stores, settings: KubeJobSettings) -> None:
        self._stores = stores
        self._settings = settings
        self.nodes = NodesForJobs(stores, settings)

    def prepare(self, job: JobRecord, record: SliceRecord | None) -> PlacedJob:
        """Return a job with all that its pod depends on. ``CannotRunError``, ``NotYetError``."""
        stores = self._stores
        account = stores.accounts.find(job.owner)
        if account is None or account.template.pod is None:
            raise CannotRunError(JobReason(JobReasonCode.POD_UNKNOWN))
        template = account.template
        if template.pod is None or template.pod.namespace != self._settings.namespace:
            numbers = {"namespace": self._settings.namespace}
            raise CannotRunError(JobReason(JobReasonCode.OTHER_NAMESPACE, numbers))
        only_on = self.nodes.only_on(job, record)
        memory_mib, units = self._size(job, record)
        placed = PlacedJob(
            job=job,
            account=template,
            pod=template.pod,
            asked=stores.files.environment(job.job_id),
            memory_mib=memory_mib,
            units=units,
            slice_id=self._slice_id(job, record),
            simulated=self._is_simulated(record),
            prefers_node=None if record is None else record.gpu.node,
            only_on=only_on,
        )
        if len(annotations_of(placed).popitem()[1].encode()) > MOST_REQUEST:
            limit = {"limit_kib": MOST_REQUEST // 1024}
            raise CannotRunError(JobReason(JobReasonCode.PARAMETERS_TOO_LARGE, limit))
        return placed

    def why_anew(self, job: JobRecord, owner: Manifest) -> JobReason | None:
        """Return why a queued object is to be made anew, for its pods' nodes; ``None``: it fits."""
        made_for = (owner["metadata"].get("annotations") or {}).get(NODES) or nodes_mark(())
        try:
            only_on = self.nodes.only_on(job)
        except NotYetError as error:
            return error.why
        if nodes_mark(only_on) == made_for:
            return None
        match only_on:
            case ():
                return JobReason(JobReasonCode.ANEW_ANYWHERE)
            case (node,):
                return JobReason(JobReasonCode.ANEW_ON_NODE, {"node": node})
            case _:
                return JobReason(JobReasonCode.ANEW_ON_NODES, {"nodes": len(only_on)})

    def slices_on(
        self, job: JobRecord, pods: tuple[SeenPod, ...]
    ) -> tuple[tuple[SliceRecord, ...], float] | None:
        """Return slices where the cluster has put the job's pods, and what part of a GPU they hold.

        ``None`` while a node is not known.
        """
        records: list[SliceRecord] = []
        held = 0.0
        for rank, pod in enumerate(pods):
            facts = self._likeliest_card(job, pod.node, {r.gpu.gpu_id for r in records})
            pool = None if facts is None else self._pool_of(facts)
            if facts is None or pool is None:
                return None
            memory_mib = facts.kind.usable_mib if job.memory_mib is None else job.memory_mib
            held += float(cards_on(GpuAmount(memory_mib, job.compute_milli), facts.kind))
            records.append(self._slice(job, rank, pod, facts, pool, memory_mib))
        return tuple(records), held

    def _slice(  # noqa: PLR0913, PLR0917 - the parts of one record
        self,
        job: JobRecord,
        rank: int,
        pod: SeenPod,
        facts: GpuFacts,
        pool: PoolName,
        memory_mib: int,
    ) -> SliceRecord:
        stores = self._stores
        account = stores.accounts.find(job.owner)
        return SliceRecord(
            slice_id=slice_id_of(job.job_id, job.attempts + 1, rank),
            holder=Holder.JOB,
            owner=job.owner,
            group=job.group,
            named=job.named,
            member_of=job.member_of,
            lot=job.lot,
            server="",
            job_id=job.job_id,
            size=None,
            pool=pool,
            gpu=stores.ledger.gpus[facts.gpu_id],
            memory_mib=memory_mib,
            compute_milli=job.compute_milli,
            uid=0 if account is None else account.template.uid,
            created_at=stores.now(),
            pod=PodIdentity(pod.uid, self._settings.namespace, pod.name, facts.node),
            takes=self._settings.takes.with_cap(memory_mib),
            cap_kept_by=(),
        )

    def _likeliest_card(
        self, job: JobRecord, node: str | None, taken: set[GpuId]
    ) -> GpuFacts | None:
        """Return the card of a node on which the job fits most tightly, as its agent chooses."""
        if node is None:
            return None
        holdings = self._stores.capacity.holdings
        view = self._stores.fleet.node(NodeId(node))
        found = [gpu for gpu in holdings.gpus() if gpu.node == node and gpu.gpu_id not in taken]

        def rank(gpu: GpuFacts) -> tuple[bool, bool, bool, int, int]:
            report = None if view is None else view.gpus.get(gpu.gpu_id)
            lendable = 0 if report is None else report.lendable_mib
            need = gpu.kind.usable_mib if job.memory_mib is None else job.memory_mib
            another_type = not self._is_wanted(job, gpu)
            return another_type, gpu.closed is not None, lendable < need, lendable, gpu.index

        return min(found, key=rank, default=None)

    def _is_wanted(self, job: JobRecord, gpu: GpuFacts) -> bool:
        gpu_type = self._stores.capacity.holdings.type_of(gpu.gpu_id)
        return is_of_type(gpu.kind, gpu_type, job.gpu_type)

    def _pool_of(self, facts: GpuFacts) -> PoolName | None:
        return self._stores.capacity.holdings.pool_of(facts.gpu_id)

    def _size(self, job: JobRecord, record: SliceRecord | None) -> tuple[int, int]:
        """Return how much GPU memory in MiB a job gets, and in how many units of it."""
        holdings = self._stores.capacity.holdings
        unit_mib = self._settings.unit_mib
        if record is not None:
            facts = holdings.gpu(record.gpu.gpu_id)
            usable_mib = record.memory_mib if facts is None else facts.kind.usable_mib
            return record.memory_mib, units_for(record.memory_mib, usable_mib, unit_mib)
        known = [gpu for gpu in holdings.gpus() if self._is_wanted(job, gpu)]
        largest_mib = max((gpu.kind.usable_mib for gpu in known), default=0)
        if largest_mib < (job.memory_mib or 1):
            raise NotYetError(JobReason(JobReasonCode.NO_GPU_TOLD_OF))
        if job.memory_mib is not None:
            return job.memory_mib, units_for(job.memory_mib, largest_mib, unit_mib)
        # A whole card of those that are open; as the service starts again, none is yet.
        is_open = (gpu.kind.usable_mib for gpu in known if gpu.closed is None)
        whole_mib = max(is_open, default=largest_mib)
        return whole_mib, units_for(whole_mib, whole_mib, unit_mib)

    def _slice_id(self, job: JobRecord, record: SliceRecord | None) -> str | None:
        """Return the id of the slice of a job's only pod; ``None``: each of several has its own."""
        if record is not None:
            return record.slice_id
        return slice_id_of(job.job_id, job.attempts + 1) if job.gpus == 1 else None

    def _is_simulated(self, record: SliceRecord | None) -> bool:
        if record is not None:
            return record.gpu.simulated
        return any(gpu.simulated for gpu in self._stores.ledger.gpus.values())
