"""Kueue's objects from the quota document: pure.

A group's guarantee becomes the nominal quota of a ClusterQueue of its own, its limit what that may
borrow, its weight its share of what all leave. Lent room is in a queue of its own: a suspended
notebook still holds its quota in any other, and would be counted twice.
"""

import hashlib
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from sublet_quota.amounts.lent_units import RESOURCE
from sublet_quota.document.quota_document import QuotaDocument

from sublet_hub.jobs.backends.kubernetes.objects.names import MANAGED_BY, SERVICE
from sublet_hub.kubernetes_api.quantities import parse_quantity
from sublet_hub.kubernetes_api.resources import (
    CLUSTER_QUEUES,
    LOCAL_QUEUES,
    PRIORITY_CLASSES,
    RESOURCE_FLAVORS,
    Manifest,
)

_LENT_QUEUE: Final = "sublet-lent"
_NO_NAME: Final = re.compile(r"[^a-z0-9-]+")
_MOST_NAME: Final = 63
"""A job names its queue in a label."""
_DIGITS: Final = 8
_ABUNDANT_CPU: Final = "100000"
_ABUNDANT_MEMORY: Final = "1000Ti"
"""Every resource that a job asks for has to be covered; only GPUs are what is short here."""


@dataclass(frozen=True, slots=True)
class KueueNames:
    """What the objects are called."""

    namespace: str
    lent_queue: str = _LENT_QUEUE
    """The name of the queue of lent room; empty: it is made elsewhere, by the chart."""
    flavor: str = "sublet"
    prefix: str = "sublet-"
    cohort: str = "sublet"
    gpu_memory: str = "sublet.dev/gpu-mib"
    """The resource that notebooks' guarantees are counted in, where pods ask for it."""


def queue_objects(
    document: QuotaDocument, names: KueueNames, lent_units: int
) -> tuple[Manifest, ...]:
    """Return all objects: the flavor, the queue of lent room, and one for each group."""
    flavor = RESOURCE_FLAVORS.manifest(_metadata(names.flavor), spec={})
    objects = [flavor]
    if names.lent_queue:
        objects += _queue(names, names.lent_queue, _lent_spec(names, lent_units))
    for group, rights in sorted(document.groups.items()):
        name = group_queue(group, names)
        guaranteed = 0 if rights.guaranteed is None else rights.guaranteed.memory
        quota: Manifest = {"name": names.gpu_memory, "nominalQuota": str(guaranteed)}
        limit = rights.limit.memory
        if isinstance(limit, int):
            quota["borrowingLimit"] = str(max(0, limit - guaranteed))
        spec = {
            "cohortName": names.cohort,
            "namespaceSelector": _namespace(names),
            "queueingStrategy": "BestEffortFIFO",
            "fairSharing": {"weight": str(rights.weight)},
            "resourceGroups": [_covered(names.flavor, (quota,))],
        }
        objects += _queue(names, name, spec)
    return tuple(objects)


def group_queue(group: str, names: KueueNames) -> str:
    """Return the name of a group's queue; of two groups never the same, nor that of lent room.

    A group that cannot be a name as it is gets some digits that are its alone.
    """
    most = _MOST_NAME - len(names.prefix)
    plain = _NO_NAME.sub("-", group.lower()).strip("-")
    taken = {names.lent_queue, _LENT_QUEUE}
    if plain == group and len(plain) <= most and names.prefix + plain not in taken:
        return names.prefix + plain
    digits = hashlib.sha256(group.encode()).hexdigest()[:_DIGITS]
    shortened = plain[: most - _DIGITS - 1].strip("-")
    return names.prefix + (f"{shortened}-{digits}" if shortened else digits)


def priority_objects(classes: Iterable[tuple[int, str]]) -> tuple[Manifest, ...]:
    """Return a WorkloadPriorityClass for each step of jobs' priorities."""
    return tuple(
        PRIORITY_CLASSES.manifest(
            _metadata(name), value=least, description=f"Jobs of priority {least} and more"
        )
        for least, name in sorted(classes)
    )


def lent_quota_of(cluster_queue: Manifest) -> int | None:
    """Return how many whole units of lent room a queue covers; ``None`` where it covers none.

    ``ValueError`` where what it says is no amount.
    """
    for group in cluster_queue["spec"].get("resourceGroups") or ():
        for flavor in group["flavors"]:
            for resource in flavor["resources"]:
                if resource["name"] == RESOURCE:
                    return math.floor(parse_quantity(resource["nominalQuota"]))
    return None


def with_lent_quota(cluster_queue: Manifest, units: int) -> Manifest:
    """Return the merge patch that makes a queue's lent room so many units, and no other change.

    A list is replaced whole by a merge patch, so all of it is in there.
    """
    groups = []
    for group in cluster_queue["spec"]["resourceGroups"]:
        flavors = [
            {**flavor, "resources": [_at(resource, units) for resource in flavor["resources"]]}
            for flavor in group["flavors"]
        ]
        groups.append({**group, "flavors": flavors})
    return {
        "metadata": {"resourceVersion": cluster_queue["metadata"]["resourceVersion"]},
        "spec": {"resourceGroups": groups},
    }


def _at(resource: Manifest, units: int) -> Manifest:
    return {**resource, "nominalQuota": str(units)} if resource["name"] == RESOURCE else resource


def _lent_spec(names: KueueNames, units: int) -> Manifest:
    return {
        "namespaceSelector": _namespace(names),
        "queueingStrategy": "BestEffortFIFO",
        # A job is suspended in place, not preempted by another job.
        "preemption": {"withinClusterQueue": "Never", "reclaimWithinCohort": "Never"},
        "resourceGroups": [
            _covered(names.flavor, ({"name": RESOURCE, "nominalQuota": str(units)},))
        ],
    }


def _queue(names: KueueNames, name: str, spec: Manifest) -> list[Manifest]:
    local = LOCAL_QUEUES.manifest(
        {**_metadata(name), "namespace": names.namespace}, spec={"clusterQueue": name}
    )
    return [CLUSTER_QUEUES.manifest(_metadata(name), spec=spec), local]


def _covered(flavor: str, quotas: tuple[Manifest, ...]) -> Manifest:
    resources = [
        {"name": "cpu", "nominalQuota": _ABUNDANT_CPU},
        {"name": "memory", "nominalQuota": _ABUNDANT_MEMORY},
        *quotas,
    ]
    return {
        "coveredResources": [resource["name"] for resource in resources],
        "flavors": [{"name": flavor, "resources": resources}],
    }


def _namespace(names: KueueNames) -> Manifest:
    return {"matchLabels": {"kubernetes.io/metadata.name": names.namespace}}


def _metadata(name: str) -> Manifest:
    return {"name": name, "labels": {MANAGED_BY: SERVICE}}
