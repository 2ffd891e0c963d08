"""Kueue's objects from the quota document: pure.

A group's guarantee of a GPU type becomes the nominal quota of a ClusterQueue of its own in that
type's flavor, its limit of the type what that may borrow, its weight its share of what all leave. A
group with groups in it is a cohort, and its direct members have the queue. Limits of all types
together, and of numbers of slices, are nothing that Kueue knows. Lent room is in a queue of its
own: a suspended notebook still holds its quota in any other, and would be counted twice.
"""

import hashlib
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType
from typing import Final

from sublet_quota.amounts.lent_units import RESOURCE
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.document.sections import GroupQuota

from sublet_hub.jobs.backends.kubernetes.objects.names import MANAGED_BY, SERVICE
from sublet_hub.kubernetes_api.quantities import parse_quantity
from sublet_hub.kubernetes_api.resources import (
    CLUSTER_QUEUES,
    COHORTS,
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
NO_TYPES: Final[Mapping[str, "CardsOfType"]] = MappingProxyType({})


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


@dataclass(frozen=True, slots=True)
class CardsOfType:
    """What the cluster has to know of a GPU type."""

    memory_mib: int
    """The memory of one card: quotas are in it, as pods ask for no cards."""
    node_labels: tuple[tuple[str, str], ...] = ()
    """The labels of nodes that have such cards."""


def queue_objects(
    document: QuotaDocument,
    names: KueueNames,
    lent_units: int,
    types: Mapping[str, CardsOfType] = NO_TYPES,
) -> tuple[Manifest, ...]:
    """Return all objects: flavors, the queue of lent room, and queues for groups.

    ``types`` are those of which quotas are made: all of ``types_in_groups``.
    """
    objects: list[Manifest] = []
    if names.lent_queue or not types:
        objects.append(RESOURCE_FLAVORS.manifest(_metadata(names.flavor), spec={}))
    if names.lent_queue:
        objects += _queue(names, names.lent_queue, _lent_spec(names, lent_units))
    objects += (_flavor(name, types[name], names) for name in sorted(types))
    for group, quota in sorted(document.groups.items()):
        objects += _of_group(group, quota, names.cohort, names, types)
    return tuple(objects)


def types_in_groups(document: QuotaDocument) -> frozenset[str]:
    """Return the GPU types of which some group is guaranteed cards, or limited in them."""
    groups = document.all_groups.values()
    return frozenset(name for quota in groups for name in (*quota.guaranteed, *quota.limit.types))


def _of_group(
    group: str, quota: GroupQuota, cohort: str, names: KueueNames, types: Mapping[str, CardsOfType]
) -> list[Manifest]:
    """Return a group's queue, in its parent's cohort; with groups in it, a cohort of its own."""
    name = group_queue(group, names)
    if not quota.groups:
        return _group_queue_objects(name, quota.weight, cohort, names, _quotas(quota, names, types))
    inside = [
        each
        for child, below in sorted(quota.groups.items())
        for each in _of_group(child, below, name, names, types)
    ]
    spec = {
        "parentName": cohort,
        "fairSharing": {"weight": str(quota.weight)},
        "resourceGroups": _resource_groups(_quotas(quota, names, types), names.gpu_memory),
    }
    direct = _group_queue_objects(name, 1, name, names, _quotas(GroupQuota(), names, types))
    return [COHORTS.manifest(_metadata(name), spec=spec), *direct, *inside]


def _group_queue_objects(
    name: str, weight: int, cohort: str, names: KueueNames, quotas: Mapping[str, Manifest]
) -> list[Manifest]:
    spec = {
        "cohortName": cohort,
        "namespaceSelector": _namespace(names),
        "queueingStrategy": "BestEffortFIFO",
        "fairSharing": {"weight": str(weight)},
        "resourceGroups": _resource_groups(quotas, names.gpu_memory),
    }
    return _queue(names, name, spec)


def _quotas(
    quota: GroupQuota, names: KueueNames, types: Mapping[str, CardsOfType]
) -> Mapping[str, Manifest]:
    """Return by flavor what a group is guaranteed beside the groups in it, and may borrow."""
    quotas: dict[str, Manifest] = {}
    for gpu_type, cards in sorted(types.items()):
        below = sum((child.guaranteed.get(gpu_type, 0) for child in quota.groups.values()), 0)
        guaranteed = quota.guaranteed.get(gpu_type, Fraction(0))
        own = math.floor((guaranteed - below) * cards.memory_mib)
        found: Manifest = {"name": names.gpu_memory, "nominalQuota": str(max(0, own))}
        limit = quota.limit.types.get(gpu_type)
        if isinstance(limit, Fraction):
            most = math.floor((limit - guaranteed) * cards.memory_mib)
            found["borrowingLimit"] = str(max(0, most))
        quotas[flavor_of(gpu_type, names)] = found
    nothing: Manifest = {"name": names.gpu_memory, "nominalQuota": "0"}
    return quotas or {names.flavor: nothing}


def flavor_of(gpu_type: str, names: KueueNames) -> str:
    """Return the name of the flavor of a GPU type."""
    return group_queue(gpu_type, names)


def _flavor(gpu_type: str, cards: CardsOfType, names: KueueNames) -> Manifest:
    spec = {"nodeLabels": dict(cards.node_labels)} if cards.node_labels else {}
    return RESOURCE_FLAVORS.manifest(_metadata(flavor_of(gpu_type, names)), spec=spec)


def _resource_groups(quotas: Mapping[str, Manifest], resource: str) -> list[Manifest]:
    """Return the one group of resources: of ``resource`` each flavor's quota."""
    flavors = [
        {
            "name": flavor,
            "resources": [
                {"name": "cpu", "nominalQuota": _ABUNDANT_CPU},
                {"name": "memory", "nominalQuota": _ABUNDANT_MEMORY},
                quota,
            ],
        }
        for flavor, quota in quotas.items()
    ]
    return [{"coveredResources": ["cpu", "memory", resource], "flavors": flavors}]


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
    lent: Manifest = {"name": RESOURCE, "nominalQuota": str(units)}
    return {
        "namespaceSelector": _namespace(names),
        "queueingStrategy": "BestEffortFIFO",
        # A job is suspended in place, not preempted by another job.
        "preemption": {"withinClusterQueue": "Never", "reclaimWithinCohort": "Never"},
        "resourceGroups": _resource_groups({names.flavor: lent}, RESOURCE),
    }


def _queue(names: KueueNames, name: str, spec: Manifest) -> list[Manifest]:
    local = LOCAL_QUEUES.manifest(
        {**_metadata(name), "namespace": names.namespace}, spec={"clusterQueue": name}
    )
    return [CLUSTER_QUEUES.manifest(_metadata(name), spec=spec), local]


def _namespace(names: KueueNames) -> Manifest:
    return {"matchLabels": {"kubernetes.io/metadata.name": names.namespace}}


def _metadata(name: str) -> Manifest:
    return {"name": name, "labels": {MANAGED_BY: SERVICE}}
