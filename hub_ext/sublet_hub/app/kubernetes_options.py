"""The service's options that concern Kubernetes; what they name is in ``kubernetes_api``."""

import asyncio
import os
import secrets
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from sublet_quota.amounts.kube_quantity import cpu_milli_asked, memory_mib_asked
from sublet_quota.amounts.node_amounts import NodeAmount
from sublet_quota.errors import AmountError
from traitlets import Bool, Dict, Enum, Float, HasTraits, Integer, Unicode

from sublet_hub.agents.departed_nodes import ClusterNodes
from sublet_hub.agents.identity import AgentIdentities
from sublet_hub.agents.node_secrets import NodeSecrets
from sublet_hub.errors import ConfigurationError
from sublet_hub.jobs.backend import JobRuns
from sublet_hub.jobs.backends.kubernetes.objects.settings import (
    KubeJobSettings,
    KueueSettings,
    SeveralNodes,
)
from sublet_hub.jobs.backends.none import NoRuns
from sublet_hub.settings import ServiceSettings

if TYPE_CHECKING:
    from sublet_hub.kubernetes_api.client import KubeApi

_OWN_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


class KubeOptions(HasTraits):
    """The options of ``SubletHub`` that concern its cluster."""

    agent_identity = Enum(
        ("secrets", "kubernetes"),
        "secrets",
        help="How agents prove which node they serve: by a secret for each node, or (kubernetes) "
        "by the service account token of their pod, for the audience 'sublet', in which "
        "Kubernetes names the node.",
    ).tag(config=True)
    agent_service_account = Unicode(
        "sublet-agent",
        help="The service account of the agents' pods, in kube_namespace; tokens of any other are "
        "refused.",
    ).tag(config=True)
    kube_namespace = Unicode(
        "",
        help="The namespace of the agents. By default the one that this service's pod runs in.",
    ).tag(config=True)
    kubeconfig = Unicode(
        "",
        help="A file with the way into the cluster. By default the service account of this "
        "service's pod.",
    ).tag(config=True)

    others_cpu = Unicode(
        "0",
        help="How much CPU pods that are not Sublet's ask for on each node with GPUs (500m, 2): "
        "agents, other DaemonSets, servers without a slice. A slice goes where its node has what "
        "its pod asks for, beside this and other slices. For nodes that agents serve by their "
        "names, with agent_identity 'kubernetes'.",
    ).tag(config=True)
    others_memory = Unicode("0", help="How much memory these ask for on each node (4Gi).").tag(
        config=True
    )
    writer_lease = Unicode(
        "",
        help="The name of a Lease in kube_namespace: of several replicas only the one that holds "
        "it serves, the others wait. Empty: there is only one.",
    ).tag(config=True)
    job_backend = Enum(
        ("local", "kubernetes", "none"),
        "local",
        help="Where jobs run: as processes on this machine, or as pods; or that there are no jobs. "
        "Have them end, or cancel them, before you switch them off: those that wait stay until "
        "they are switched on again, and so do those in a cluster that run, which nobody can "
        "cancel meanwhile. On this machine those that run end as usual.",
    ).tag(config=True)
    kube_jobs_namespace = Unicode(
        "",
        help="The namespace of users' pods and volumes, where their jobs' pods are made, too. By "
        "default kube_namespace.",
    ).tag(config=True)
    lent_unit_mib = Integer(
        1024,
        min=64,
        help="How much GPU memory, in MiB, one device of sublet.dev/lent stands for: as the agents "
        "are told.",
    ).tag(config=True)
    job_priority_class = Unicode(
        "sublet-training",
        help="The PriorityClass of jobs' pods, below that of notebooks. Empty: the cluster's "
        "default.",
    ).tag(config=True)
    job_set_priority_class = Unicode(
        "",
        help="The PriorityClass of JobSets' pods, whose value must not be negative (JobSet 0.11 "
        "and later writes it into a label, which takes no minus sign), yet below that of "
        "notebooks. "
        "Empty: the cluster's default.",
    ).tag(config=True)
    job_service_account = Unicode(
        "default", help="The service account of jobs' pods; they get no token of it."
    ).tag(config=True)
    job_cpu = Unicode("1", help="The CPUs that a job's pod asks for.").tag(config=True)
    job_memory = Unicode(
        "4Gi",
        help="The host memory that a job's pod asks for, and may have. As much as its share of the "
        "GPU is added: a job that is suspended has it there.",
    ).tag(config=True)
    homes_are_shared = Bool(
        False,
        help="Users' home volumes can be mounted on several nodes at once (ReadWriteMany). "
        "Otherwise a job runs where its owner's server does, and servers with the same volume on "
        "one node.",
    ).tag(config=True)
    job_labels = Dict(
        value_trait=Unicode(),
        key_trait=Unicode(),
        help="Labels for jobs' pods, for instance those that network policies ask for.",
    ).tag(config=True)
    job_pending_s = Float(
        300.0,
        min=1,
        help="A job whose pod finds no node for so many seconds goes back to the queue.",
    ).tag(config=True)
    job_begins_s = Float(
        1800.0,
        min=1,
        help="A job whose pod has a node and does not begin within so many seconds (its image "
        "cannot be pulled, say) has failed in this attempt.",
    ).tag(config=True)
    kueue_local_queue = Unicode(
        "",
        help="The LocalQueue of lent room: Kueue then says which job is next. Empty: this service.",
    ).tag(config=True)
    kueue_cluster_queue = Unicode(
        "",
        help="The ClusterQueue of lent room: its nominalQuota of sublet.dev/lent is patched as "
        "slices become idle and come back. Empty: it is left alone.",
    ).tag(config=True)
    kueue_priority_classes = Dict(
        value_trait=Unicode(),
        help="Names of WorkloadPriorityClasses by the least priority of a job that gets them, such "
        "as {'0': 'sublet-normal', '10': 'sublet-high'}.",
    ).tag(config=True)
    several_nodes = Enum(
        ("jobset", "trainjob"),
        "jobset",
        help="What runs a job on several nodes, where Kueue is set: a JobSet, or Kubeflow's "
        "TrainJob.",
    ).tag(config=True)

    @property
    def needs_kubernetes(self) -> bool:
        """Whether an option needs Kubernetes' API."""
        chosen = {self.agent_identity, self.job_backend}
        return "kubernetes" in chosen or bool(self.writer_lease)

    async def connect_to_kubernetes(self) -> "KubeApi | None":
        """Return the client of the cluster's API, or ``None`` where none is needed.

        ``ConfigurationError`` where its packages are missing.
        """
        if not self.needs_kubernetes:
            return None
        try:
            from sublet_hub.kubernetes_api.client import connect  # noqa: PLC0415 - an extra brings its packages
        except ImportError as error:
            message = f"{error}: install Sublet with its extra 'kubernetes'"
            raise ConfigurationError(message) from error
        return await connect(self.kubeconfig)

    @asynccontextmanager
    async def as_the_writer(
        self, kube: "KubeApi | None", stopped: asyncio.Event
    ) -> AsyncIterator[bool]:
        """Wait until no other replica writes, and see to it that none begins meanwhile.

        Yields whether to begin: not, where the service is stopped while it waits.
        """
        if kube is None or not self.writer_lease:
            yield True
            return
        from sublet_hub.kubernetes_api.client import connect  # noqa: PLC0415 - the same
        from sublet_hub.kubernetes_api.lease_keeper import LeaseKeeper  # noqa: PLC0415 - the same
        from sublet_hub.kubernetes_api.writer_lease import WriterLease  # noqa: PLC0415 - the same

        # The same name comes back with a new process: each has one of its own.
        holder = f"{socket.gethostname()}-{secrets.token_hex(4)}"
        namespace = self.own_namespace()
        name = self.writer_lease
        lease = WriterLease(kube, namespace, name, holder, time.monotonic)

        async def hold() -> None:
            # In another loop, and so by other connections.
            api = await connect(self.kubeconfig)
            try:
                await WriterLease(api, namespace, name, holder, time.monotonic).hold()
            finally:
                await api.close()

        create = asyncio.get_running_loop().create_task
        acquiring, stopping = create(lease.acquire()), create(stopped.wait())
        await asyncio.wait({acquiring, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not acquiring.done():
            acquiring.cancel()
            await asyncio.gather(acquiring, return_exceptions=True)
            yield False
            return
        # Whatever kept it from being had ends this start.
        acquiring.result()
        keeper = LeaseKeeper(hold, _end)
        keeper.start()
        try:
            yield True
        finally:
            await keeper.stop()
            await lease.release()

    def agents_of(
        self, kube: "KubeApi | None", secrets_folder: Path, now: Callable[[], datetime]
    ) -> AgentIdentities:
        """Return the means to identify agents that the options name."""
        if kube is None or self.agent_identity == "secrets":
            known = NodeSecrets(secrets_folder)
            known.check()
            return known
        from sublet_hub.agents.kubernetes_tokens import (  # noqa: PLC0415 - the same
            AgentTokens,
            ServiceAccount,
        )

        account = ServiceAccount(self.own_namespace(), self.agent_service_account)
        return AgentTokens(kube, account, now)

    def nodes_of(self, kube: "KubeApi | None") -> ClusterNodes | None:
        """Return the cluster's nodes, or ``None`` where agents are not known by their names.

        ``ConfigurationError`` where what others ask for there is no amount.
        """
        if kube is None or self.agent_identity == "secrets":
            return None
        from sublet_hub.agents.cluster_nodes import WatchedNodes  # noqa: PLC0415 - the same

        return WatchedNodes(kube, self._of_others())

    def _of_others(self) -> NodeAmount:
        try:
            return NodeAmount(
                cpu_milli_asked(self.others_cpu), memory_mib_asked(self.others_memory)
            )
        except AmountError as error:
            message = f"others_cpu and others_memory: {error}"
            raise ConfigurationError(message) from error

    def runs_of(self, kube: "KubeApi | None", settings: ServiceSettings) -> JobRuns | None:
        """Return the backend of jobs that the options name; ``None``: processes of this machine."""
        if self.job_backend == "none":
            if kube is None:
                return NoRuns(home_is_shared=True, here=settings)
            return NoRuns(home_is_shared=self.homes_are_shared)
        if kube is None or self.job_backend == "local":
            return None
        from sublet_hub.jobs.backends.kubernetes.factory import ClusterRuns  # noqa: PLC0415 - the same

        runs = ClusterRuns(kube, self._job_settings(settings))
        try:
            _ = runs.takes
        except AmountError as error:
            message = f"job_cpu and job_memory: {error}"
            raise ConfigurationError(message) from error
        return runs

    def _job_settings(self, settings: ServiceSettings) -> KubeJobSettings:
        jobs = settings.jobs
        kueue = None
        if self.kueue_local_queue:
            kueue = KueueSettings(
                self.kueue_local_queue, self.kueue_cluster_queue, self._priority_classes()
            )
        return KubeJobSettings(
            namespace=self.kube_jobs_namespace or self.own_namespace(),
            unit_mib=self.lent_unit_mib,
            priority_class=self.job_priority_class,
            job_set_priority_class=self.job_set_priority_class,
            service_account=self.job_service_account,
            agent_socket=jobs.agent_socket,
            simulated_socket=jobs.simulated_socket,
            service_url=jobs.service_url,
            cpu=self.job_cpu,
            memory=self.job_memory,
            home_is_shared=self.homes_are_shared,
            grace=jobs.grace,
            pending_for=timedelta(seconds=self.job_pending_s),
            begins_within=timedelta(seconds=self.job_begins_s),
            most_attempts=jobs.most_attempts,
            log_bytes=settings.limits.log_bytes,
            owner_logs_bytes=settings.limits.owner_logs_bytes,
            kueue=kueue,
            several_nodes=SeveralNodes(self.several_nodes),
            labels=tuple(sorted(self.job_labels.items())),
        )

    def _priority_classes(self) -> tuple[tuple[int, str], ...]:
        try:
            return tuple((int(least), name) for least, name in self.kueue_priority_classes.items())
        except ValueError as error:
            message = f"kueue_priority_classes: {error}: write priorities as whole numbers"
            raise ConfigurationError(message) from error

    def own_namespace(self) -> str:
        """Return the namespace of service and agents."""
        if self.kube_namespace:
            return self.kube_namespace
        try:
            return _OWN_NAMESPACE.read_text(encoding="ascii").strip()
        except OSError as error:
            message = (
                f"the namespace of this service is not known ({error}): set "
                "SubletHub.kube_namespace"
            )
            raise ConfigurationError(message) from error


def _end() -> None:
    # At once: another replica may write from now on, and whatever is tidied up here is writing.
    os._exit(1)
