"""A release of the chart as `helm test` sees it: one with which nothing is wrong, to be changed."""

from dataclasses import replace
from typing import Any, Final

from sublet_hub.release_check.facts import (
    ClusterFacts,
    ContainerFacts,
    NodeFacts,
    PartFacts,
    PodFacts,
    Reached,
    RecordsFacts,
    RecordsStanding,
    Seen,
)
from sublet_hub.release_check.settings import Agents, ReleaseSettings
from sublet_quota.reasons.installation.standings import HubStanding
from sublet_quota.wire.health import Health

LABEL: Final = "nvidia.com/gpu.present"
URL: Final = "http://sublet.jhub:8901/services/sublet/"


def release(**values: Any) -> ReleaseSettings:
    """What the chart says of it."""
    agents = Agents(
        daemon_set="sublet-agent",
        labels={LABEL: "true"},
        value="agent",
        runtime_class="nvidia",
        simulated=False,
        lend=True,
        service_url=URL,
    )
    facts: dict[str, Any] = {
        "namespace": "jhub",
        "release": "sublet",
        "deployment": "sublet",
        "service_url": URL,
        "proxy_url": "http://proxy-public.jhub/services/sublet/",
        "hub_url": "http://hub.jhub:8081/hub/api",
        "token_secret": "hub",
        "token_key": "hub.services.sublet.apiToken",
        "hub_labels": {"app": "jupyterhub"},
        "priority_classes": {
            "priorityClasses.jobs": "jhub-sublet-job",
            "priorityClasses.agents": "jhub-sublet-agent",
        },
        "admission_policies": ("jhub-sublet-jobs", "jhub-sublet-owner-records-0"),
        "owner_records": ("sublet-0", "sublet-1"),
        "hub_account": "hub",
        "agents": agents,
    }
    return ReleaseSettings(**{**facts, **values})


def health(**values: Any) -> Health:
    """What the service says of itself: two agents with four cards."""
    facts: dict[str, Any] = {"ok": True, "version": "0.1.0", "agents": 2, "silent_agents": 0}
    return Health(**{**facts, "cards": 4, "hub": HubStanding.OK, **values})


def pods(count: int = 2, **values: Any) -> tuple[PodFacts, ...]:
    """Pods that are ready, or as ``values`` say."""
    facts = {"ready": True, **values}
    return tuple(PodFacts(name=f"pod-{number}", **facts) for number in range(count))


def waiting(count: int = 2, **container: Any) -> tuple[PodFacts, ...]:
    """Pods whose container does not run."""
    return pods(count, ready=False, containers=(ContainerFacts(**container),))


def cluster(**values: Any) -> ClusterFacts:
    """What Kubernetes says of it."""
    facts: dict[str, Any] = {
        "pod_security": "",
        "missing_runtime_class": False,
        "missing_priority_classes": (),
        "missing_policies": (),
        "records": RecordsFacts(RecordsStanding.OK),
        "service": PartFacts(1, pods(1)),
        "agents": PartFacts(2, pods()),
        "nodes": (NodeFacts("gpu-1", {LABEL: "true"}), NodeFacts("core-1", {})),
    }
    return ClusterFacts(**{**facts, **values})


def seen(**values: Any) -> Seen:
    """All that is seen of it."""
    told = Reached(health())
    return replace(Seen(cluster(), told, told), **values)


def with_health(**values: Any) -> Seen:
    """All that is seen where the service says something else of itself."""
    told = Reached(health(**values))
    return seen(direct=told, by_proxy=told)


def without_service(part: PartFacts | None, **values: Any) -> Seen:
    """All that is seen where the service does not answer."""
    nothing = Reached(words="Connection refused")
    return seen(cluster=cluster(service=part, **values), direct=nothing, by_proxy=nothing)
