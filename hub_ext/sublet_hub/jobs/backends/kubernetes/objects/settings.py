"""How jobs become pods."""

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from sublet_quota.amounts.kube_quantity import cpu_milli_asked, memory_mib_asked
from sublet_quota.amounts.node_amounts import NodeAmount, NodeNeed


class SeveralNodes(StrEnum):
    """What runs a job on several nodes."""

    JOB_SET = "jobset"
    TRAIN_JOB = "trainjob"


@dataclass(frozen=True, slots=True)
class KueueSettings:
    """The settings of a cluster where Kueue decides when jobs begin."""

    local_queue: str = "sublet-lent"
    """The queue of lent room, in the jobs' namespace."""
    cluster_queue: str = ""
    """The ClusterQueue whose quota of lent room is kept; empty: somebody else keeps it."""
    priority_classes: tuple[tuple[int, str], ...] = ()
    """The WorkloadPriorityClass from a job's priority on; the highest that is reached counts."""


@dataclass(frozen=True, slots=True)
class KubeJobSettings:
    """What the service is told about jobs on Kubernetes."""

    namespace: str
    """The namespace of users' pods and volumes, and so of their jobs."""
    unit_mib: int = 1024
    """How much GPU memory one ``sublet.dev/lent`` stands for: as the agents are told."""
    priority_class: str = "sublet-training"
    """The priority class of jobs' pods, below that of notebooks; empty: the cluster's default."""
    job_set_priority_class: str = ""
    """The one of JobSets' pods: not negative, as JobSet writes it as a label. Empty: the same."""
    service_account: str = "default"
    agent_socket: str = "/run/sublet/agent.sock"
    simulated_socket: str | None = None
    service_url: str = ""
    cpu: str = "1"
    memory: str = "4Gi"
    """The host memory of a job's pod, without what a suspend moves there: that comes on top."""
    home_is_shared: bool = False
    """Homes can be mounted on several nodes at once (ReadWriteMany)."""
    grace: timedelta = timedelta(seconds=20)
    pending_for: timedelta = timedelta(minutes=5)
    """How long a job's pod may find no node; then the job goes back to the queue."""
    begins_within: timedelta = timedelta(minutes=30)
    """Longer: images are pulled. A pod that has a node and has not begun for so long (its image is
    not to be had, a volume cannot be mounted) is an attempt that failed."""
    most_attempts: int = 3
    log_bytes: int = 64 * 2**20
    owner_logs_bytes: int = 256 * 2**20
    kueue: KueueSettings | None = None
    several_nodes: SeveralNodes = SeveralNodes.JOB_SET
    labels: tuple[tuple[str, str], ...] = field(default=())
    """The labels of jobs' pods, for instance those that network policies ask for."""

    @property
    def takes(self) -> NodeNeed:
        """What a job's pod asks of its node, its slice's cap among it: ``AmountError``."""
        amount = NodeAmount(cpu_milli_asked(self.cpu), memory_mib_asked(self.memory))
        return NodeNeed(amount, of_cap_milli=1000)
