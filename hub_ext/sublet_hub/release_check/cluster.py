"""Reads of Kubernetes' API how a release is: its parts, their pods, and what keeps them away.

Kubernetes says in words alone why a volume is not mounted or a pod not made. They are quoted; only
a Secret that is missing is recognised by the kubelet's words, since nobody here may read Secrets.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sublet_hub.kubernetes_api.client import KubeApi
from sublet_hub.kubernetes_api.errors import KubeNotFoundError
from sublet_hub.kubernetes_api.resources import EVENTS, PODS, Manifest, Resource
from sublet_hub.release_check.facts import (
    ClusterFacts,
    ContainerFacts,
    MissingToken,
    NodeFacts,
    PartFacts,
    PodFacts,
)
from sublet_hub.release_check.owner_records import RecordsReader
from sublet_hub.release_check.settings import ReleaseSettings

_NAMESPACES: Final = Resource("v1", "Namespace", "namespaces", False)
_NODES: Final = Resource("v1", "Node", "nodes", False)
_DEPLOYMENTS: Final = Resource("apps/v1", "Deployment", "deployments")
_DAEMON_SETS: Final = Resource("apps/v1", "DaemonSet", "daemonsets")
_RUNTIME_CLASSES: Final = Resource("node.k8s.io/v1", "RuntimeClass", "runtimeclasses", False)
_PRIORITY_CLASSES: Final = Resource(
    "scheduling.k8s.io/v1", "PriorityClass", "priorityclasses", False
)
_POLICY_BINDINGS: Final = Resource(
    "admissionregistration.k8s.io/v1",
    "ValidatingAdmissionPolicyBinding",
    "validatingadmissionpolicybindings",
    False,
)
_ENFORCED: Final = "pod-security.kubernetes.io/enforce"
_KEEPS_OFF: Final = frozenset({"NoSchedule", "NoExecute"})
_NOT_WELL: Final = "node.kubernetes.io/"
_NO_SECRET: Final = re.compile(r'secret "([^"]+)" not found')
_NO_KEY: Final = re.compile(r"references non-existent secret key: (\S+)")
_HUBS: Final = ("component=hub", "app.kubernetes.io/component=hub")
_WARNINGS: Final = "type=Warning"
_MOST_WORDS: Final = 600
_SECONDS: Final = len("2026-11-24T08:00:00")
_RECENT: Final = timedelta(minutes=2)


class ReleaseReader:
    """The way to what Kubernetes says of one release. Its questions raise ``KubeError``."""

    def __init__(self, api: KubeApi, settings: ReleaseSettings) -> None:
        self._api = api
        self._settings = settings

    async def read(self) -> ClusterFacts:
        """Return how the release is now."""
        settings = self._settings
        events = (await self._api.list(EVENTS, settings.namespace, fields=_WARNINGS))["items"]
        agents = settings.agents
        service = await self._find(_DEPLOYMENTS, settings.deployment, settings.namespace)
        daemons = await self._agents(events)
        return ClusterFacts(
            pod_security=await self._pod_security(),
            missing_runtime_class=agents is not None
            and bool(agents.runtime_class)
            and await self._find(_RUNTIME_CLASSES, agents.runtime_class) is None,
            missing_priority_classes=tuple(
                [
                    value
                    for value, name in settings.priority_classes.items()
                    if await self._find(_PRIORITY_CLASSES, name) is None
                ]
            ),
            missing_policies=tuple(
                [
                    name
                    for name in settings.admission_policies
                    if await self._find(_POLICY_BINDINGS, name) is None
                ]
            ),
            records=await RecordsReader(self._api, settings).read(),
            service=None if service is None else await self._service(service, events),
            agents=daemons,
            # Those of a large cluster are not read where agents run.
            nodes=() if daemons is None or daemons.wanted else await self._nodes(),
            other_hub_labels=await self._has_other_hub(),
        )

    async def _find(
        self, resource: Resource, name: str, namespace: str | None = None
    ) -> Manifest | None:
        try:
            return await self._api.get(resource, namespace, name)
        except KubeNotFoundError:
            return None

    async def _pod_security(self) -> str:
        found = await self._api.get(_NAMESPACES, None, self._settings.namespace)
        level = str((found["metadata"].get("labels") or {}).get(_ENFORCED, ""))
        return "" if level == "privileged" else level

    async def _service(self, found: Manifest, events: list[Manifest]) -> PartFacts:
        pods = await self._pods("service", events)
        conditions = found.get("status", {}).get("conditions") or ()
        refused = [e["message"] for e in conditions if e["type"] == "ReplicaFailure"]
        return PartFacts(1, pods, "" if pods else _short(*refused))

    async def _agents(self, events: list[Manifest]) -> PartFacts | None:
        agents = self._settings.agents
        if agents is None:
            return None
        found = await self._find(_DAEMON_SETS, agents.daemon_set, self._settings.namespace)
        if found is None:
            return None
        status, meta = found.get("status") or {}, found["metadata"]
        if int(status.get("observedGeneration", 0)) < int(meta["generation"]):
            # Kubernetes has not looked yet which nodes are meant.
            return PartFacts(1, ())
        wanted = int(status.get("desiredNumberScheduled", 0))
        pods = await self._pods("agent", events)
        refused = ""
        # A message stays for an hour: it counts while pods are missing alone.
        if len(pods) < wanted:
            refused = _newest(events, lambda event: _is_about(event, meta, "FailedCreate"))
        return PartFacts(wanted, pods, refused)

    async def _pods(self, part: str, events: list[Manifest]) -> tuple[PodFacts, ...]:
        settings = self._settings
        listed = await self._api.list(PODS, settings.namespace, settings.pods_of(part))
        there = (pod for pod in listed["items"] if "deletionTimestamp" not in pod["metadata"])
        return tuple(self._pod(pod, events) for pod in there)

    def _pod(self, pod: Manifest, events: list[Manifest]) -> PodFacts:
        status = pod.get("status") or {}
        conditions = {each["type"]: each for each in status.get("conditions") or ()}
        scheduled = conditions.get("PodScheduled", {})
        containers = [
            *(status.get("initContainerStatuses") or ()),
            *(status.get("containerStatuses") or ()),
        ]
        ready = conditions.get("Ready", {}).get("status") == "True"
        unmounted = ""
        # The kubelet's message about what is mounted by now stays, too.
        if not ready and not any(each.get("started") for each in containers):
            unmounted = _newest(
                events, lambda each: _is_about(each, pod["metadata"], "FailedMount")
            )
        return PodFacts(
            name=pod["metadata"]["name"],
            ready=ready,
            unschedulable=_short(scheduled["message"])
            if scheduled.get("reason") == "Unschedulable"
            else "",
            containers=tuple(
                _container(each, datetime.now(UTC)) for each in containers if not each.get("ready")
            ),
            unmounted=unmounted,
            missing_token=self._missing_token(unmounted),
        )

    def _missing_token(self, unmounted: str) -> MissingToken | None:
        secret = _NO_SECRET.search(unmounted)
        if secret is not None:
            return MissingToken(secret[1])
        key = _NO_KEY.search(unmounted)
        return None if key is None else MissingToken(self._settings.token_secret, key[1])

    async def _nodes(self) -> tuple[NodeFacts, ...]:
        if self._settings.agents is None:
            return ()
        return tuple(_node(each) for each in (await self._api.list(_NODES, None))["items"])

    async def _has_other_hub(self) -> bool:
        ours = self._settings.hub_labels
        if not ours:
            return False
        found: list[Mapping[str, str]] = []
        for labels in _HUBS:
            listed = await self._api.list(PODS, self._settings.namespace, labels)
            found += [pod["metadata"]["labels"] for pod in listed["items"]]
        return bool(found) and not any(_is_ours(labels, ours) for labels in found)


def _is_ours(labels: Mapping[str, str], ours: Mapping[str, str]) -> bool:
    """Whether one of the chart's two selectors finds a hub's pod with these labels."""
    known = {"app": "app.kubernetes.io/name", "release": "app.kubernetes.io/instance"}
    new = {known.get(name, name): value for name, value in ours.items()}
    old = {**ours, "component": "hub"}
    new |= {"app.kubernetes.io/component": "hub"}
    return old.items() <= labels.items() or new.items() <= labels.items()


def _container(status: Manifest, now: datetime) -> ContainerFacts:
    state = status.get("state") or {}
    waiting = state.get("waiting") or {}
    before = (status.get("lastState") or {}).get("terminated") or {}
    if "running" in state and not _is_recent(before, now):
        # It ended once, and takes its time to start now.
        before = {}
    ended: Mapping[str, Any] = state.get("terminated") or before
    return ContainerFacts(
        waits=str(waiting.get("reason", "")),
        waits_words=_short(str(waiting.get("message", ""))),
        exit_status=ended.get("exitCode"),
        last_words=_end_of(str(ended.get("message") or ended.get("reason") or "")),
    )


def _is_recent(ended: Manifest, now: datetime) -> bool:
    at = ended.get("finishedAt")
    return bool(at) and now - datetime.fromisoformat(str(at)) < _RECENT


def _node(found: Manifest) -> NodeFacts:
    taints = tuple(
        f"{each['key']}{'=' + each['value'] if each.get('value') else ''}:{each['effect']}"
        for each in found["spec"].get("taints") or ()
        if each["effect"] in _KEEPS_OFF and not each["key"].startswith(_NOT_WELL)
    )
    return NodeFacts(found["metadata"]["name"], found["metadata"].get("labels") or {}, taints)


def _is_about(event: Manifest, whose: Manifest, reason: str) -> bool:
    about = event.get("involvedObject") or {}
    return bool(event.get("reason") == reason and about.get("uid") == whose["uid"])


def _newest(events: Iterable[Manifest], is_wanted: Callable[[Manifest], bool]) -> str:
    """Return the newest message among the events that are wanted; empty where there is none."""
    found = [event for event in events if is_wanted(event)]
    if not found:
        return ""
    return _short(str(max(found, key=_when).get("message", "")))


def _when(event: Manifest) -> tuple[str, str]:
    """Return when an event was seen last, to the second; of two the younger one counts."""
    series = event.get("series") or {}
    times = (series.get("lastObservedTime"), event.get("lastTimestamp"), event.get("eventTime"))
    last = next((str(each)[:_SECONDS] for each in times if each), "")
    return last, str(event["metadata"].get("creationTimestamp", ""))


def _short(*words: str) -> str:
    """Return Kubernetes' words in one line, as much of them as can be read."""
    line = _in_one_line(" ".join(words))
    return line if len(line) <= _MOST_WORDS else f"{line[:_MOST_WORDS]} ..."


def _end_of(words: str) -> str:
    """Return the end of what a program said, in one line: there it says why it ended."""
    line = _in_one_line(words)
    return line if len(line) <= _MOST_WORDS else f"... {line[-_MOST_WORDS:]}"


def _in_one_line(words: str) -> str:
    """Return words without what a terminal would obey: a node may have written them."""
    line = " ".join(words.split())
    return "".join(each if each.isprintable() else "?" for each in line)
