"""The words for what a pod waits for, from its conditions and events as the API writes them.

Other pods and their owners are never named.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

_COUNTS: Final = re.compile(r"0/(\d+) nodes are available: (.*)", re.DOTALL)
_ENDS: Final = re.compile(r"\.\s+(?:preemption:|no new claims|preemption is not).*$", re.DOTALL)
_BETWEEN: Final = re.compile(r", (?=\d+ )")
_INSUFFICIENT: Final = re.compile(r"Insufficient (\S+)")
_TAINT: Final = re.compile(r"^node\(s\) had untolerated taint(?:\(s\)| )?\s*\{?([^:}]*)")
_LONGEST: Final = 300

_WORDS: Final = {
    "node(s) were unschedulable": "take nothing new (an admin has cordoned them)",
    "node(s) had volume node affinity conflict": "cannot reach your home volume",
    "node(s) didn't find available persistent volumes to bind": "have no volume for your home",
    "node(s) exceed max volume count": "have no place for another volume",
    "Too many pods": "are full of pods",
    "cannot allocate all claims": "have no device free for the slice's resource claim",
    "node(s) didn't match pod anti-affinity rules": "run something that must be kept apart",
    "node(s) didn't match pod affinity rules": "do not run what must be beside it",
}
_AFFINITY: Final = frozenset(
    {
        "node(s) didn't match Pod's node affinity/selector",
        "node(s) didn't match Pod's node affinity",
        "node(s) didn't match node selector",
        # A node of another name, or one that is gone: no other is even looked at.
        "node(s) didn't satisfy plugin(s) [NodeAffinity]",
        "node(s) didn't satisfy plugin(s) [NodeAffinity] simultaneously",
    }
)
_RESOURCES: Final = {"cpu": "CPU", "memory": "memory", "ephemeral-storage": "disk"}

_CREATING: Final = frozenset({"ContainerCreating", "PodInitializing"})
_NO_IMAGE: Final = frozenset({"ErrImagePull", "ImagePullBackOff", "InvalidImageName"})
_MOUNTS: Final = frozenset({"FailedMount", "FailedAttachVolume"})


def what_it_waits_for(pod: Mapping[str, Any], events: Iterable[Mapping[str, Any]]) -> str | None:
    """Return what ``pod`` waits for; ``None`` once all of its containers run."""
    status = pod.get("status") or {}
    if pod["metadata"].get("deletionTimestamp"):
        return "The pod of before is being removed"
    if not pod["spec"].get("nodeName"):
        return _what_keeps_it_from_a_node(pod, status)
    node = pod["spec"]["nodeName"]
    waiting = list(_waiting_states(status))
    for container, state in waiting:
        reason = state.get("reason", "")
        if reason not in _CREATING:
            return _why_it_does_not_run(container, reason, state.get("message", ""))
    if not waiting and status.get("containerStatuses"):
        return None
    trouble = _trouble(events, node)
    return trouble or f"Node {node} prepares the server: its volumes and its image"


def unschedulable(message: str, *, pinned: bool) -> str:
    """Return why no node takes the pod. ``pinned``: it may run on one node alone."""
    found = _COUNTS.fullmatch(message.strip())
    if found is None:
        return f"The server waits for a node: {_short(message) or 'the scheduler gives no reason'}"
    total = int(found[1])
    reasons = _BETWEEN.split(_ENDS.sub("", found[2]).rstrip(". "))
    told = [_reason(reason, pinned=pinned) for reason in reasons]
    nodes = "1 node" if total == 1 else f"{total} nodes"
    return f"The server waits for a node: of {nodes}, {'; '.join(told)}"


def _what_keeps_it_from_a_node(pod: Mapping[str, Any], status: Mapping[str, Any]) -> str:
    for condition in status.get("conditions") or ():
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            if condition.get("reason") == "SchedulingGated":
                gates = ", ".join(g["name"] for g in pod["spec"].get("schedulingGates") or ())
                return f"The server is held back until it is admitted ({gates or 'a gate'})"
            return unschedulable(condition.get("message", ""), pinned=_is_pinned(pod))
    return "The server waits for the cluster's scheduler"


def _is_pinned(pod: Mapping[str, Any]) -> bool:
    affinity = (pod["spec"].get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or {}
    terms = required.get("nodeSelectorTerms") or ()
    return bool(terms) and all(term.get("matchFields") for term in terms)


def _reason(counted: str, *, pinned: bool) -> str:
    count, _, reason = counted.partition(" ")
    if not count.isdigit():
        return _short(counted)
    if reason in _AFFINITY:
        other = "are not the one that the slice is on" if pinned else "lack labels that are asked"
        return f"{count} {other}"
    if (insufficient := _INSUFFICIENT.fullmatch(reason)) is not None:
        what = _RESOURCES.get(insufficient[1], insufficient[1])
        return f"{count} with too little {what} free"
    if (taint := _TAINT.match(reason)) is not None:
        return f"{count} kept for others (taint {taint[1].strip() or 'unnamed'})"
    return f"{count} {_WORDS.get(reason, _short(reason))}"


def _waiting_states(status: Mapping[str, Any]) -> Iterable[tuple[str, Mapping[str, Any]]]:
    for kind in ("initContainerStatuses", "containerStatuses"):
        for container in status.get(kind) or ():
            waiting = (container.get("state") or {}).get("waiting")
            if waiting:
                yield container.get("image") or container["name"], waiting


def _why_it_does_not_run(image: str, reason: str, message: str) -> str:
    if reason in _NO_IMAGE:
        return f"The image {image} cannot be fetched: {_short(message) or reason}"
    if reason == "CrashLoopBackOff":
        return "The server ended right after its start, and is started again"
    return f"The server cannot be started: {_short(message) or reason}"


def _trouble(events: Iterable[Mapping[str, Any]], node: str) -> str | None:
    """Return the last warning about a pod that has its node, or ``None``."""
    for event in reversed(list(events)):
        if event.get("type") != "Warning":
            continue
        message = event.get("message") or ""
        if event.get("reason") in _MOUNTS:
            if '"sublet-' in message:
                return f"Node {node} has no Sublet agent yet: its folder for servers is not there"
            return f"A volume cannot be mounted on {node}: {_short(message)}"
        if event.get("reason") in {"FailedCreatePodSandBox", "UnexpectedAdmissionError", "Failed"}:
            return f"Node {node} cannot start the server: {_short(message)}"
    return None


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 3]}..."
