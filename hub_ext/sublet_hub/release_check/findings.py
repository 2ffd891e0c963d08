"""From what was seen to what is wrong, as far as it is not explained by something else (pure)."""

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final, assert_never

from sublet_quota.reasons.counted import counted
from sublet_quota.reasons.fitness import Unfit, UnfitReason
from sublet_quota.reasons.installation.faults import Fault, Finding, found
from sublet_quota.reasons.installation.standings import HubStanding, QuotaStanding, refusal_clause
from sublet_quota.wire.health import Health

from sublet_hub.release_check.facts import (
    ClusterFacts,
    ContainerFacts,
    PartFacts,
    PodFacts,
    Reached,
    RecordsFacts,
    RecordsStanding,
    Seen,
)
from sublet_hub.release_check.settings import Agents, ReleaseSettings

_IMAGE: Final = frozenset(
    {"ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName"}
)
_STARTS: Final = frozenset({"", "ContainerCreating", "PodInitializing", "CrashLoopBackOff"})
_SET_UP_WRONGLY: Final = 78
"""The exit status of an agent that cannot work with its settings or devices."""
_FAILED: Final = 500
_BY_CHOICE: Final = frozenset({Unfit.SPLIT, Unfit.MPS})
"""What an engine for MIG or MPS brings with it: nothing is meant to be lent there."""
_OF_ROLES: Final[Mapping[HubStanding, Fault]] = MappingProxyType(
    {
        HubStanding.LACKS_SCOPES: Fault.SCOPES,
        HubStanding.CANNOT_STOP_SERVERS: Fault.CANNOT_STOP_SERVERS,
        HubStanding.CANNOT_START_SERVERS: Fault.CANNOT_START_SERVERS,
        HubStanding.CANNOT_LIST_GROUPS: Fault.CANNOT_LIST_GROUPS,
    }
)


def find_faults(settings: ReleaseSettings, seen: Seen) -> tuple[Finding, ...]:
    """Return what is wrong, each cause once and before what follows from it."""
    findings = list(_of_the_cluster(settings, seen))
    service = None if seen.cluster is None else seen.cluster.service
    serves = seen.direct.health is not None
    if seen.cluster is not None and not serves:
        findings += _of_the_service(settings, service)
    if not serves and (seen.cluster is None or (service is not None and service.ready)):
        findings.append(_unreachable(settings, seen.direct))
    if seen.direct.health is not None:
        findings += _of_the_hub(settings, seen)
    agents = settings.agents
    if agents is not None:
        part = None if seen.cluster is None else seen.cluster.agents
        findings += _of_agents(settings, agents, seen, part)
    return tuple(findings)


def _of_the_cluster(settings: ReleaseSettings, seen: Seen) -> Iterator[Finding]:
    cluster = seen.cluster
    if cluster is None:
        yield found(Fault.API_UNREADABLE, words=seen.unreadable)
        return
    if cluster.pod_security:
        yield found(Fault.POD_SECURITY, namespace=settings.namespace, level=cluster.pod_security)
    if cluster.missing_runtime_class and settings.agents is not None:
        yield found(Fault.RUNTIME_CLASS, name=settings.agents.runtime_class)
    for value in cluster.missing_priority_classes:
        name, whose = settings.priority_classes[value], _WHOSE.get(value, "the service")
        yield found(Fault.PRIORITY_CLASS, name=name, value=value, whose=whose)
    for name in cluster.missing_policies:
        yield found(Fault.ADMISSION_POLICY, name=name)
    yield from _of_records(settings, cluster.records)


_WHOSE: Final = {
    "priorityClasses.notebooks": "users' servers, where the hub is told of it",
    "priorityClasses.jobs": "jobs",
    "priorityClasses.jobSets": "jobs on several GPUs",
    "priorityClasses.agents": "agents",
    "agent.priorityClassName": "agents",
}


def _of_records(settings: ReleaseSettings, records: RecordsFacts) -> Iterator[Finding]:
    names, namespace = ", ".join(records.names), settings.namespace
    match records.standing:
        case RecordsStanding.OK:
            pass
        case RecordsStanding.NO_KIND:
            yield found(Fault.NO_RECORDS_KIND)
        case RecordsStanding.NO_OBJECT:
            yield found(Fault.NO_RECORDS, names=names, namespace=namespace)
        case RecordsStanding.NOT_WRITTEN:
            yield found(
                Fault.RECORDS_NOT_WRITTEN,
                names=names,
                namespace=namespace,
                account=settings.hub_account,
            )
        case _ as never:
            assert_never(never)


def _is_explained(cluster: ClusterFacts) -> bool:
    """Whether something that was told already keeps agents' pods from being made."""
    classes = {value for value in cluster.missing_priority_classes if "agent" in value}
    return bool(cluster.pod_security or cluster.missing_runtime_class or classes)


def _of_the_service(settings: ReleaseSettings, part: PartFacts | None) -> Iterator[Finding]:
    if part is None:
        yield found(Fault.PART_GONE, kind="Deployment", name=settings.deployment)
        return
    yield from _of_pods(settings, "the service", part)


def _of_pods(settings: ReleaseSettings, name: str, part: PartFacts) -> Iterator[Finding]:
    """What is wrong with a part's pods; of several the first, for the others are alike."""
    if part.refused:
        yield found(Fault.PODS_REFUSED, part=name, words=part.refused)
    for pod in part.pods:
        finding = None if pod.ready else _of_pod(settings, name, pod)
        if finding is not None:
            yield finding
            return
    if part.ready < part.wanted and not part.refused:
        yield found(Fault.STARTING, part=name, ready=part.ready, wanted=counted(part.wanted, "pod"))


def _of_pod(settings: ReleaseSettings, part: str, pod: PodFacts) -> Finding | None:
    token = pod.missing_token
    if token is not None and token.secret == settings.token_secret:
        if token.key:
            return found(Fault.TOKEN_KEY, name=token.secret, key=token.key)
        return found(Fault.TOKEN_SECRET, name=token.secret, namespace=settings.namespace)
    if pod.unmounted:
        return found(Fault.VOLUME, part=part, words=pod.unmounted)
    if pod.unschedulable:
        return found(Fault.UNSCHEDULABLE, part=part, words=pod.unschedulable)
    for container in pod.containers:
        finding = _of_container(part, container)
        if finding is not None:
            return finding
    return None


def _of_container(part: str, container: ContainerFacts) -> Finding | None:
    if container.waits in _IMAGE:
        words = container.waits_words or container.waits
        return found(Fault.IMAGE, part=part, words=words)
    if container.waits not in _STARTS:
        words = container.waits_words or container.waits
        return found(Fault.CONTAINER, part=part, words=words)
    if container.exit_status is None:
        return None
    words = container.last_words or f"exit status {container.exit_status}"
    if part == _AGENTS and container.exit_status == _SET_UP_WRONGLY:
        return found(Fault.NO_DRIVER, words=words)
    return found(Fault.ENDS, part=part, words=words)


_AGENTS: Final = "the agents"


def _unreachable(settings: ReleaseSettings, direct: Reached) -> Finding:
    words = direct.words or f"HTTP {direct.status}"
    return found(Fault.SERVICE_UNREACHABLE, url=settings.service_url, words=words)


def _of_the_hub(settings: ReleaseSettings, seen: Seen) -> Iterator[Finding]:
    health = seen.direct.health
    if health is None:
        return
    if health.quota is QuotaStanding.REFUSED:
        command = f"kubectl --namespace {settings.namespace} logs deployment/{settings.deployment}"
        yield found(Fault.QUOTA_REFUSED, command=command)
    standing = _of_standing(settings, seen, health.hub)
    if standing is not None:
        yield standing
    if seen.by_proxy is not None and seen.by_proxy.health is None:
        # Where there is no route the proxy asks the hub.
        away = (seen.by_proxy.status or 0) >= _FAILED and health.hub is HubStanding.UNREACHABLE
        if not away:
            yield _of_proxy(settings, seen.by_proxy)


def _of_standing(settings: ReleaseSettings, seen: Seen, hub: HubStanding) -> Finding | None:
    token = {"name": settings.token_secret, "key": settings.token_key}
    match hub:
        case HubStanding.OK:
            return None
        case HubStanding.UNASKED:
            wanted = counted(1, "pod")
            return found(
                Fault.STARTING, part="the hub, as the service sees it", ready=0, wanted=wanted
            )
        case HubStanding.UNREACHABLE:
            if seen.cluster is not None and seen.cluster.other_hub_labels:
                return found(Fault.HUB_LABELS, labels=_written(settings.hub_labels))
            return found(Fault.HUB_UNREACHABLE, url=settings.hub_url)
        case HubStanding.NO_HUB:
            return found(Fault.NO_HUB, url=settings.hub_url)
        case HubStanding.REFUSES_TOKEN:
            restart = f"kubectl --namespace {settings.namespace} rollout restart deployment/"
            return found(Fault.TOKEN_REFUSED, restart=restart + settings.deployment, **token)
        case HubStanding.TOKEN_OF_ANOTHER:
            return found(Fault.TOKEN_OF_ANOTHER, **token)
        case (
            HubStanding.LACKS_SCOPES
            | HubStanding.CANNOT_STOP_SERVERS
            | HubStanding.CANNOT_START_SERVERS
            | HubStanding.CANNOT_LIST_GROUPS
        ):
            return found(_OF_ROLES[hub])
        case _ as never:
            assert_never(never)


def _of_proxy(settings: ReleaseSettings, reached: Reached) -> Finding:
    if reached.status is None:
        return found(Fault.PROXY_UNREACHABLE, url=settings.proxy_url, words=reached.words)
    if reached.status < _FAILED:
        return found(Fault.NO_ROUTE, url=settings.proxy_url, status=reached.status)
    return found(Fault.PROXY_TO_SERVICE, url=settings.proxy_url, status=reached.status)


def _of_agents(
    settings: ReleaseSettings, agents: Agents, seen: Seen, part: PartFacts | None
) -> Iterator[Finding]:
    if seen.cluster is not None:
        if part is None:
            yield found(Fault.PART_GONE, kind="DaemonSet", name=agents.daemon_set)
            return
        if part.wanted == 0:
            yield _no_node(agents, seen.cluster)
            return
        if _is_explained(seen.cluster):
            return
        pods = tuple(_of_pods(settings, _AGENTS, part))
        yield from pods
        if pods:
            return
    if seen.direct.health is not None:
        yield from _of_reports(settings, agents, seen.direct.health, part)


def _no_node(agents: Agents, cluster: ClusterFacts) -> Finding:
    labels, value = _written(agents.labels), f"{agents.value}.nodeSelector"
    labelled = [n for n in cluster.nodes if agents.labels.items() <= n.labels.items()]
    if not labelled:
        return found(Fault.NO_NODE, labels=labels, label=labels.replace(",", " "), value=value)
    taints = sorted({taint for node in labelled for taint in node.taints})
    return found(
        Fault.NODES_TAINTED,
        count=counted(len(labelled), "node"),
        labels=labels or "that agents want",
        taints=", ".join(taints) or "none",
        value=f"{agents.value}.tolerations",
    )


def _of_reports(
    settings: ReleaseSettings, agents: Agents, health: Health, part: PartFacts | None
) -> Iterator[Finding]:
    """What is wrong with agents that run."""
    logs = f"kubectl --namespace {settings.namespace} logs daemonset/{agents.daemon_set}"
    ready = 1 if part is None else part.ready
    if health.agents < ready:
        counts = {"ready": ready, "agents": health.agents}
        if health.refused_agents:
            why = "; ".join(refusal_clause(each) for each in health.refused_agents)
            yield found(Fault.AGENTS_REFUSED, why=why, **counts)
        else:
            yield found(Fault.AGENTS_UNHEARD, url=agents.service_url, logs=logs, **counts)
    elif health.silent_agents:
        pods = f"kubectl --namespace {settings.namespace} get daemonsets,pods --selector "
        value, selector = f"{agents.value}.nodeSelector", settings.pods_of("agent")
        count = health.silent_agents
        yield found(Fault.AGENTS_SILENT, count=count, pods=pods + selector, value=value)
    if health.agents_without_cards:
        yield found(Fault.NO_CARDS, count=health.agents_without_cards, logs=logs)
    elif agents.lend and health.cards:
        yield from _of_fitness(health)


def _of_fitness(health: Health) -> Iterator[Finding]:
    if health.unfit_cards < health.cards or set(health.unfit) <= _BY_CHOICE:
        return
    if Unfit.BEING_CHECKED in health.unfit:
        yield found(Fault.BEING_CHECKED)
        return
    yield found(Fault.UNFIT, why=unfit_words(health))


def unfit_words(health: Health) -> str:
    """Return why cards are not fit to be lent, with how many have each reason."""
    return "; ".join(f"{UnfitReason(why).clause} ({n})" for why, n in health.unfit.items())


def _written(labels: dict[str, str]) -> str:
    return ",".join(f"{name}={value}" for name, value in labels.items())
