"""The kinds of objects that the service touches, and where Kubernetes' API serves them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlencode

Manifest = dict[str, Any]
"""An object as Kubernetes' API writes it."""


@dataclass(frozen=True, slots=True)
class Resource:
    """A kind of object."""

    api_version: str
    kind: str
    plural: str
    namespaced: bool = True

    def path(self, namespace: str | None = None, name: str = "", part: str = "") -> str:
        """Return the path of the objects, of one, or of a part of one such as ``status``."""
        root = "/apis/" if "/" in self.api_version else "/api/"
        parts = [root.rstrip("/"), self.api_version]
        if self.namespaced and namespace is not None:
            parts += ["namespaces", quote(namespace, safe="")]
        parts.append(self.plural)
        parts += [quote(each, safe="") for each in (name, part) if each]
        return "/".join(parts)

    def manifest(self, metadata: Mapping[str, Any], **parts: Any) -> Manifest:
        """Return an object of this kind."""
        return {
            "apiVersion": self.api_version,
            "kind": self.kind,
            "metadata": dict(metadata),
            **parts,
        }


def with_query(path: str, **query: str) -> str:
    """Return the path with a query; what is empty is left out."""
    asked = {name: value for name, value in query.items() if value}
    return f"{path}?{urlencode(asked)}" if asked else path


TOKEN_REVIEWS: Final = Resource("authentication.k8s.io/v1", "TokenReview", "tokenreviews", False)
PODS: Final = Resource("v1", "Pod", "pods")
EVENTS: Final = Resource("v1", "Event", "events")
JOBS: Final = Resource("batch/v1", "Job", "jobs")
LEASES: Final = Resource("coordination.k8s.io/v1", "Lease", "leases")
JOB_SETS: Final = Resource("jobset.x-k8s.io/v1alpha2", "JobSet", "jobsets")
TRAIN_JOBS: Final = Resource("trainer.kubeflow.org/v1alpha1", "TrainJob", "trainjobs")
_KUEUE: Final = "kueue.x-k8s.io/v1beta2"
CLUSTER_QUEUES: Final = Resource(_KUEUE, "ClusterQueue", "clusterqueues", False)
COHORTS: Final = Resource(_KUEUE, "Cohort", "cohorts", False)
LOCAL_QUEUES: Final = Resource(_KUEUE, "LocalQueue", "localqueues")
RESOURCE_FLAVORS: Final = Resource(_KUEUE, "ResourceFlavor", "resourceflavors", False)
PRIORITY_CLASSES: Final = Resource(
    _KUEUE, "WorkloadPriorityClass", "workloadpriorityclasses", False
)
WORKLOADS: Final = Resource(_KUEUE, "Workload", "workloads")
