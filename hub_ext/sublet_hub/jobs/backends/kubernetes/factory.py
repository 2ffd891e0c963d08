"""Jobs in the cluster, put together."""

from sublet_quota.amounts.node_amounts import NodeNeed
from sublet_quota.reasons.jobs_off import JobsOff

from sublet_hub.jobs.backend import JobBackend
from sublet_hub.jobs.backends.kubernetes.backend import KubernetesJobs
from sublet_hub.jobs.backends.kubernetes.cluster import JobsInCluster
from sublet_hub.jobs.backends.kubernetes.intake import PodIntake
from sublet_hub.jobs.backends.kubernetes.lent_quota import LentQuota
from sublet_hub.jobs.backends.kubernetes.objects.settings import KubeJobSettings
from sublet_hub.jobs.intake import JobIntake
from sublet_hub.kubernetes_api.client import KubeApi
from sublet_hub.ledger.records import JobRecord
from sublet_hub.slices.pods import Pods
from sublet_hub.state.stores import Stores


class ClusterRuns:
    """Runs jobs as pods of the namespace that the settings name."""

    def __init__(self, api: KubeApi, settings: KubeJobSettings) -> None:
        self._api = api
        self._settings = settings
        self.intake: JobIntake = PodIntake(settings)

    @property
    def has_own_queue(self) -> bool:
        """Whether the service's queue says which job is next; else Kueue does."""
        return self._settings.kueue is None

    @property
    def ends_jobs(self) -> bool:
        """Always: the service may delete their objects."""
        return True

    @property
    def home_is_shared(self) -> bool:
        """Whether several nodes can mount an owner's files at once."""
        return self._settings.home_is_shared

    @property
    def takes(self) -> NodeNeed:
        """What a job's pod asks of its node."""
        return self._settings.takes

    def why_untouched(self, job: JobRecord) -> JobsOff | None:
        """Return ``None``: the service looks after all jobs."""
        del job
        return None

    def backend(self, stores: Stores, pods: Pods) -> JobBackend:
        """Return the backend that runs jobs in the cluster."""
        kueue = self._settings.kueue
        cluster = JobsInCluster(self._api, self._settings, several_nodes=kueue is not None)
        quota = None
        if kueue is not None and kueue.cluster_queue:
            quota = LentQuota(self._api, stores, kueue.cluster_queue, self._settings.unit_mib)
        return KubernetesJobs(cluster, stores, pods, self._settings, quota)
