"""The nodes on which jobs can run: where their owners' files are, and the cards they ask for."""

from collections.abc import Collection, Mapping

from sublet_quota.amounts.gpu_kind import GpuKind
from sublet_quota.jobs.waiting_job import is_of_type
from sublet_quota.life_cycles.job_states import JobState
from sublet_quota.names.ids import NodeId
from sublet_quota.reasons.job_reasons import JobReason, JobReasonCode, job_clause

from sublet_hub.jobs.backends.kubernetes.objects.settings import KubeJobSettings
from sublet_hub.jobs.order.waiting_jobs import WaitingJobs
from sublet_hub.ledger.records import JobRecord, SliceRecord
from sublet_hub.slices.home_volumes import node_of_home
from sublet_hub.state.stores import Stores


class NotYetError(Exception):
    """No node can take the job now: the job has to wait in the queue."""

    def __init__(self, why: JobReason) -> None:
        """``why``: what the job waits for."""
        self.why = why
        super().__init__(job_clause(why))


class NodesForJobs:
    """Finds nodes in the ledger; cards come seldom, so once in a round for each type of GPU."""

    def __init__(self, stores: Stores, settings: KubeJobSettings) -> None:
        self._stores = stores
        self._settings = settings
        self._jobs = WaitingJobs(stores.ledger, stores.capacity, lambda _: None)
        self._kinds: Mapping[GpuKind, str] = {}
        self._with_kinds: dict[frozenset[GpuKind], frozenset[NodeId]] = {}

    def begin_round(self) -> None:
        """Look at all cards again."""
        self._kinds = self._jobs.kinds()
        self._with_kinds.clear()

    def only_on(self, job: JobRecord, record: SliceRecord | None = None) -> tuple[NodeId, ...]:
        """Return the only nodes that a job can run on; empty: on all. ``NotYetError``: on none.

        A job that our queue has placed goes where that has found room, and nowhere else where its
        owner's files are in use there already.
        """
        home = self._home_of(job)
        if record is not None and home not in {None, record.gpu.node}:
            raise NotYetError(JobReason(JobReasonCode.FILES_MOVED, {"node": home}))
        having = self._having(job)
        if having is None:
            return () if home is None else (home,)
        gpu_type = job.gpu_type or "that it may use"
        if not having:
            raise NotYetError(JobReason(JobReasonCode.NO_NODE_OF_TYPE, {"gpu_type": gpu_type}))
        if home is None:
            return tuple(sorted(having))
        if home not in having:
            numbers = {"node": home, "gpu_type": gpu_type}
            raise NotYetError(JobReason(JobReasonCode.FILES_ON_OTHER_TYPE, numbers))
        return (home,)

    def is_bound(self, job: JobRecord) -> bool:
        """Whether the files of a job's owner are in use on a node now, and can be nowhere else."""
        return self._home_of(job) is not None

    def in_use_elsewhere(self, job: JobRecord, nodes: Collection[NodeId]) -> NodeId | None:
        """Return another node, on which the owner's files are in use: the job must go there."""
        if self._settings.home_is_shared:
            return None
        ledger = self._stores.ledger
        for record in ledger.slices_of_owner(job.owner):
            other = None if record.job_id is None else ledger.jobs[record.job_id]
            runs = record.pod is not None if other is None else other.state is JobState.RUNNING
            if record.job_id != job.job_id and runs and record.gpu.node not in nodes:
                return record.gpu.node
        return None

    def _home_of(self, job: JobRecord) -> NodeId | None:
        if self._settings.home_is_shared:
            return None
        return node_of_home(self._stores.ledger, job.owner)

    def _having(self, job: JobRecord) -> frozenset[NodeId] | None:
        """Return the nodes with cards that the job asks for and may use; ``None``: any will do."""
        there = self._kinds
        asked = {k for k, gpu_type in there.items() if is_of_type(k, gpu_type, job.gpu_type)}
        wanted = self._jobs.kinds_for(job, there).intersection(asked)
        if job.gpu_type is None and wanted == there.keys():
            return None
        if wanted not in self._with_kinds:
            gpus = self._stores.capacity.holdings.gpus()
            lost = self._stores.fleet.has_lost
            nodes = frozenset(gpu.node for gpu in gpus if gpu.kind in wanted and not lost(gpu))
            self._with_kinds[wanted] = nodes
        return self._with_kinds[wanted]
