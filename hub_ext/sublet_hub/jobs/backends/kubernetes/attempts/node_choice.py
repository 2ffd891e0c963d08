"""The nodes on which jobs can run: where their owners' files are, and the cards they ask for."""

from collections.abc import Collection

from sublet_quota.life_cycles.job_states import JobState
from sublet_quota.names.ids import NodeId
from sublet_quota.reasons.job_reasons import JobReason, JobReasonCode, job_clause

from sublet_hub.jobs.backends.kubernetes.objects.settings import KubeJobSettings
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
        self._with_type: dict[str, frozenset[NodeId]] = {}

    def begin_round(self) -> None:
        """Look at all cards again."""
        self._with_type.clear()

    def only_on(self, job: JobRecord, record: SliceRecord | None = None) -> tuple[NodeId, ...]:
        """Return the only nodes that a job can run on; empty: on all. ``NotYetError``: on none.

        A job that our queue has placed goes where that has found room, and nowhere else where its
        owner's files are in use there already.
        """
        home = self._home_of(job)
        if record is not None and home not in {None, record.gpu.node}:
            raise NotYetError(JobReason(JobReasonCode.FILES_MOVED, {"node": home}))
        if job.gpu_type is None:
            return () if home is None else (home,)
        having = self._having(job.gpu_type)
        if not having:
            raise NotYetError(JobReason(JobReasonCode.NO_NODE_OF_TYPE, {"gpu_type": job.gpu_type}))
        if home is None:
            return tuple(sorted(having))
        if home not in having:
            numbers = {"node": home, "gpu_type": job.gpu_type}
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

    def _having(self, gpu_type: str) -> frozenset[NodeId]:
        known = self._with_type.get(gpu_type)
        if known is None:
            gpus = self._stores.capacity.holdings.gpus()
            lost = self._stores.fleet.has_lost
            known = frozenset(g.node for g in gpus if g.kind.is_type(gpu_type) and not lost(g))
            self._with_type[gpu_type] = known
        return known
