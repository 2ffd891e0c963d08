"""Records: what was seen of a release, in Kubernetes' objects and by asking the service."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto

from sublet_quota.wire.health import Health


@dataclass(frozen=True, slots=True)
class MissingToken:
    """A pod waits for a Secret that is not there, or for its key."""

    secret: str
    key: str = ""
    """Empty: the whole Secret is missing."""


@dataclass(frozen=True, slots=True)
class ContainerFacts:
    """A container that does not run as it should."""

    waits: str = ""
    """Kubernetes' reason; empty: it does not wait."""
    waits_words: str = ""
    exit_status: int | None = None
    """Of its last end; ``None``: it has not ended."""
    last_words: str = ""


@dataclass(frozen=True, slots=True)
class PodFacts:
    """A pod of the release."""

    name: str
    ready: bool
    unschedulable: str = ""
    """The scheduler's words; empty: it has a node."""
    containers: tuple[ContainerFacts, ...] = ()
    """Those that are not ready."""
    unmounted: str = ""
    """The kubelet's words about a volume that cannot be mounted."""
    missing_token: MissingToken | None = None


@dataclass(frozen=True, slots=True)
class PartFacts:
    """A part of the release, of which several pods may be wanted."""

    wanted: int
    pods: tuple[PodFacts, ...]
    refused: str = ""
    """Kubernetes' words where it takes no pod; empty: all were made."""

    @property
    def ready(self) -> int:
        """How many pods are ready."""
        return sum(pod.ready for pod in self.pods)


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """A node of the cluster."""

    name: str
    labels: Mapping[str, str]
    taints: tuple[str, ...] = ()
    """That keep pods off, but Kubernetes' own for a node that is not well."""


class RecordsStanding(Enum):
    """How it stands with what is recorded of owners' servers, as the policies for jobs need it."""

    OK = auto()
    """There is what the policies read, and the hub may write it; or nobody needs it."""
    NO_KIND = auto()
    NO_OBJECT = auto()
    NOT_WRITTEN = auto()
    """The hub's account may not."""


@dataclass(frozen=True, slots=True)
class RecordsFacts:
    """How it stands with the records, and with which of their objects."""

    standing: RecordsStanding
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ClusterFacts:
    """What Kubernetes' API says of the release."""

    pod_security: str
    """The level that the namespace enforces; empty: none."""
    missing_runtime_class: bool
    missing_priority_classes: tuple[str, ...]
    """The values whose class is not there."""
    missing_policies: tuple[str, ...]
    """The bindings of policies for jobs that are not there."""
    records: RecordsFacts
    service: PartFacts | None
    """``None``: there is no Deployment."""
    agents: PartFacts | None
    nodes: tuple[NodeFacts, ...] = ()
    other_hub_labels: bool = False
    """Whether there are pods of a hub, and none with the labels of the chart's policies."""


@dataclass(frozen=True, slots=True)
class Reached:
    """What came of asking for the page of health at an address."""

    health: Health | None = None
    status: int | None = None
    """HTTP's, where the answer is none of the service."""
    words: str = ""
    """Why there was no answer."""


@dataclass(frozen=True, slots=True)
class Seen:
    """All that was seen at one moment."""

    cluster: ClusterFacts | None
    """``None``: Kubernetes' API could not be read."""
    direct: Reached
    by_proxy: Reached | None = None
    """``None``: that was not asked."""
    unreadable: str = field(default="")
    """Why Kubernetes' API could not be read."""
