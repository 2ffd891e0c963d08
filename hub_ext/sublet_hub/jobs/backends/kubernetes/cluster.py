"""The jobs' objects and pods in the cluster, as watches tell of them; and changes to them."""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import Final

from sublet_quota.names.ids import JobId

from sublet_hub.jobs.backends.kubernetes.attempts.status import (
    SeenPod,
    belongs_to,
    has_ended,
    job_of_workload,
    latest_refusal,
    latest_warning,
)
from sublet_hub.jobs.backends.kubernetes.logs.follower import PodLog
from sublet_hub.jobs.backends.kubernetes.objects.names import (
    ALL_JOBS,
    CONTAINER,
    JOB_ID,
    TRAINERS_CONTAINER,
)
from sublet_hub.jobs.backends.kubernetes.objects.settings import KubeJobSettings, SeveralNodes
from sublet_hub.kubernetes_api.client import KubeApi
from sublet_hub.kubernetes_api.errors import KubeError
from sublet_hub.kubernetes_api.resources import (
    EVENTS,
    JOB_SETS,
    JOBS,
    PODS,
    TRAIN_JOBS,
    WORKLOADS,
    Manifest,
    Resource,
    with_query,
)
from sublet_hub.kubernetes_api.watched_objects import WatchedObjects

_LOG = logging.getLogger(__name__)
_SILENT_S: Final = 900.0
"""A log that is silent for so long is asked for again: its connection may have died unheard."""
_CREATED_AT_ONCE: Final = 64
_DELETED_AT_ONCE: Final = 16
"""How many objects are made and removed at once; all else that is asked goes between them."""
_PODS_REMEMBERED: Final = 1024
_ABOUT_MAKERS: Final = "type=Warning,involvedObject.kind!=Pod"
_RANK: Final = "batch.kubernetes.io/job-completion-index"


class JobsInCluster:
    """What the service has in the jobs' namespace."""

    def __init__(self, api: KubeApi, settings: KubeJobSettings, *, several_nodes: bool) -> None:
        self._api = api
        self._on_change: Callable[[], None] = lambda: None
        self._namespace = settings.namespace
        self._owners = {JOBS: self._watched(JOBS, ALL_JOBS)}
        if several_nodes:
            kind = JOB_SETS if settings.several_nodes is SeveralNodes.JOB_SET else TRAIN_JOBS
            self._owners[kind] = self._watched(kind, ALL_JOBS)
        self._removed_pods: deque[Manifest] = deque(maxlen=_PODS_REMEMBERED)
        self._pods = self._watched(PODS, ALL_JOBS, _job_of_pod, self._removed_pods.append)
        self._workloads = None
        if settings.kueue is not None:
            self._workloads = self._watched(WORKLOADS, "", job_of_workload)
        self._tasks: list[asyncio.Task[None]] = []
        self._turns_to_create = asyncio.Semaphore(_CREATED_AT_ONCE)
        self._turns_to_delete = asyncio.Semaphore(_DELETED_AT_ONCE)

    def on_change(self, listener: Callable[[], None]) -> None:
        """Call ``listener`` when the cluster has told of something."""
        self._on_change = listener

    def start(self) -> None:
        """Begin to watch."""
        watches = [*self._owners.values(), self._pods]
        if self._workloads is not None:
            watches.append(self._workloads)
        create = asyncio.get_running_loop().create_task
        self._tasks = [create(watch.run()) for watch in watches]

    async def close(self) -> None:
        """Stop watching."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def synced(self) -> bool:
        """Whether all was listed: before that, nothing follows from what is not here."""
        return self._pods.synced and all(watch.synced for watch in self._owners.values())

    def owner(self, resource: Resource, name: str) -> Manifest | None:
        """Return the object of this name that runs a job."""
        watch = self._owners.get(resource)
        return None if watch is None else watch.objects.get(name)

    def owners(self) -> Iterator[tuple[Resource, Manifest]]:
        """Yield all objects that run jobs."""
        for resource, watch in self._owners.items():
            for value in watch.objects.values():
                yield resource, value

    def pods_of(self, job_id: JobId, resource: Resource, owner_name: str) -> list[Manifest]:
        """Return the pods of one attempt, in the order of their ranks."""
        return self._made_by(resource, owner_name, self._pods.in_group(job_id))

    def removed_pods_of(self, resource: Resource, owner_name: str) -> list[Manifest]:
        """Return what the removed pods of one attempt said last, as far as it is remembered.

        A pod that is evicted can be gone, and counted as failed, before anybody looks at it.
        """
        return self._made_by(resource, owner_name, self._removed_pods)

    def _made_by(
        self, resource: Resource, owner_name: str, pods: Iterable[Manifest]
    ) -> list[Manifest]:
        owner = self.owner(resource, owner_name)
        found = [
            pod
            for pod in pods
            if pod["metadata"]["name"].startswith(f"{owner_name}-")
            and (owner is None or belongs_to(pod, owner))
        ]
        return sorted(found, key=_rank)

    def workload_of(self, owner_name: str) -> Manifest | None:
        """Return what Kueue says of a job."""
        if self._workloads is None:
            return None
        return next(iter(self._workloads.in_group(owner_name)), None)

    async def create(
        self, resource: Resource, manifest: Manifest, is_wanted: Callable[[], bool]
    ) -> bool:
        """Make an object, if it ``is_wanted`` still when it is its turn; return whether it was."""
        async with self._turns_to_create:
            if not is_wanted():
                return False
            await self._api.create(resource, self._namespace, manifest)
        _LOG.info("%s %s was made", resource.kind, manifest["metadata"]["name"])
        return True

    async def delete(self, resource: Resource, value: Manifest) -> None:
        """Remove this very object and its pods."""
        # Not behind those that are made: an owner may wait for the room.
        async with self._turns_to_delete:
            await self._api.delete(resource, self._namespace, value)
        _LOG.info("%s %s was removed", resource.kind, value["metadata"]["name"])

    async def warning_of(self, pod: SeenPod) -> str:
        """Return what was warned of last about a pod; empty where the service may not read that."""
        about = f"involvedObject.uid={pod.uid}"
        try:
            listed = await self._api.list(EVENTS, self._namespace, fields=about)
        except KubeError as error:
            _LOG.info("the events of pod %s cannot be read: %s", pod.name, error)
            return ""
        return latest_warning(listed["items"])

    async def refusal_of(self, owner: Manifest) -> str:
        """Return why an object's pods cannot be made; empty where nothing, or nobody, says so."""
        try:
            listed = await self._api.list(EVENTS, self._namespace, fields=_ABOUT_MAKERS)
        except KubeError as error:
            _LOG.info("why %s has no pods cannot be read: %s", owner["metadata"]["name"], error)
            return ""
        return latest_refusal(listed["items"], owner)

    def has_pod(self, pod: str) -> bool:
        """Whether a pod is still there."""
        return pod in self._pods.objects

    def has_printed_all(self, pod: str) -> bool:
        """Whether a pod will print nothing more."""
        known = self._pods.objects.get(pod)
        return known is None or has_ended(known)

    def log_of(self, pod: str) -> PodLog:
        """Return where a pod's log comes from, for the one that follows it."""
        return PodLog(
            lambda since: self.log(pod, since),
            lambda: self.has_printed_all(pod),
            lambda: not self.has_pod(pod),
        )

    async def log(self, pod: str, since: str = "") -> AsyncIterator[bytes]:
        """Yield what a pod prints, each line behind its time, until the answer ends."""
        container = _container_of(self._pods.objects.get(pod) or {})
        path = with_query(
            PODS.path(self._namespace, pod, "log"),
            container=container,
            follow="true",
            timestamps="true",
            sinceTime=since,
        )
        stream = self._api.stream(path, _SILENT_S)
        async with contextlib.aclosing(stream) as parts:  # type: ignore[type-var]
            async for data in parts:
                yield data

    def _watched(
        self,
        resource: Resource,
        labels: str,
        group: Callable[[Manifest], str | None] = lambda _: None,
        removed: Callable[[Manifest], None] = lambda _: None,
    ) -> WatchedObjects:
        return WatchedObjects(
            *(self._api, resource, self._namespace, labels, self._changed),
            group=group,
            removed=removed,
        )

    def _changed(self) -> None:
        self._on_change()


def _container_of(pod: Manifest) -> str:
    """Return the name of the container that runs a job: the trainer's pods have its runtime's."""
    there = {each["name"] for each in pod.get("spec", {}).get("containers", ())}
    return TRAINERS_CONTAINER if there and CONTAINER not in there else CONTAINER


def _job_of_pod(pod: Manifest) -> str:
    return str(pod["metadata"]["labels"][JOB_ID])


def _rank(pod: Manifest) -> tuple[int, str]:
    metadata = pod["metadata"]
    rank = (metadata.get("annotations") or {}).get(_RANK, "0")
    return int(rank) if rank.isdecimal() else 0, metadata["name"]
