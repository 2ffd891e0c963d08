"""The spawner whose servers are pods: KubeSpawner, with a slice for each server.

All of ``c.KubeSpawner.*`` keeps working. What the user's choice comes to is known once
KubeSpawner has applied its profiles, which it does inside ``start``: the slice is asked for then.
Whoever schedules pods in the cluster schedules these; a slice backend writes the request.
"""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextvars import ContextVar
from dataclasses import replace
from typing import Any, Final

from jupyterhub.utils import maybe_future  # type: ignore[import-untyped]
from kubernetes_asyncio.client.models import V1Volume, V1VolumeMount
from kubernetes_asyncio.client.rest import ApiException
from kubespawner.utils import get_k8s_model  # type: ignore[import-untyped]
from pydantic import ValidationError
from sublet_quota.names.home_claim import claim_of
from sublet_quota.reasons.refusal import Refusal
from sublet_quota.wire.api import AccountTemplate, Lease, PodStarted, PodTemplate, SliceRequest
from sublet_quota.wire.environment import JOB_FILES_BELOW, without_fractions

from sublet_spawner.account import Account, account_template, allowed_environment, notebook_folder
from sublet_spawner.backends.records import KeptBy, PlacedBy, PodFields
from sublet_spawner.choice import SliceChoice
from sublet_spawner.device_claims import DeviceClaims
from sublet_spawner.failure_count import leave_uncounted
from sublet_spawner.kube_choices import KubeChoices
from sublet_spawner.messages import gpu_granted, gpu_granted_somewhere
from sublet_spawner.node_takes import taken_by
from sublet_spawner.owner_records import OwnerRecords, RecordsPlace
from sublet_spawner.pod_refused import is_for_now, refusal_of
from sublet_spawner.pod_template import template_of
from sublet_spawner.pod_waiting import what_it_waits_for
from sublet_spawner.pod_writing import SliceInPod, write_slice
from sublet_spawner.progress import Event, StartLog
from sublet_spawner.refused import refused
from sublet_spawner.server_secret import (
    IF_ALLOWED,
    Hiding,
    ServerSecret,
    in_the_clear,
    new_name,
    not_allowed,
)
from sublet_spawner.slice_spawner import SliceSpawnerMixin

LOOK_AGAIN_S: Final = 0.2
"""The time between two looks for a pod's node, in what KubeSpawner already watches."""

_removing_pod_of_before: ContextVar[bool] = ContextVar("removing_pod_of_before", default=False)
"""Set where KubeSpawner, creating a pod, may call ``stop`` to have one of that name removed."""

_KEPT_AS: Final = "sublet_secret"
"""The key under which ``get_state`` keeps the name of the Secret that goes with the server."""


class KubeSliceSpawner(KubeChoices):
    """A server with a slice, as a pod."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        del args  # traitlets takes none; KubeSpawner lets them pass
        self._fields: PodFields | None = None
        self._pod_template: PodTemplate | None = None
        self._following: asyncio.Task[None] | None = None
        self._secret: ServerSecret | None = None
        super().__init__(**kwargs)

    # The slice, and the pod that it is written into.

    async def account_template(self) -> AccountTemplate | Refusal:
        """Return how this user's processes run in their pods."""
        uid = await maybe_future(self.uid(self)) if callable(self.uid) else self.uid
        gid = await maybe_future(self.gid(self)) if callable(self.gid) else self.gid
        account = Account(
            uid=self.image_uid if uid is None else int(uid),
            gid=self.image_gid if gid is None else int(gid),
            home=self._home(),
        )
        texts = {name: v for name, v in super().get_env().items() if isinstance(v, str)}
        environment = allowed_environment(texts, self.job_environment_names)
        notebook_dir = self._expand_user_properties(self.notebook_dir)
        return account_template(account, notebook_dir, self.job_python, environment)

    def _home(self) -> str:
        return self.working_dir or self.image_home

    async def _request(self, choice: SliceChoice) -> SliceRequest:
        """Return the request; with the home's claim where Sublet chooses the node of the pod."""
        request = await super()._request(choice)
        if self._guarantees(simulated=bool(self.simulated_socket)).placed_by is PlacedBy.CLUSTER:
            return request
        volumes, mounts = (
            self._expand_all(self._sorted_dict_values(configured))
            for configured in (self.volumes, self.volume_mounts)
        )
        written = self.api.api_client.sanitize_for_serialization(
            [
                [get_k8s_model(V1Volume, volume) for volume in volumes],
                [get_k8s_model(V1VolumeMount, mount) for mount in mounts],
            ]
        )
        return request.model_copy(update={"home_claim": claim_of(self._home(), *written)})

    def look_at_lease(self, lease: Lease) -> Refusal | None:
        """Have the backend write the request; return why it cannot, or ``None``."""
        backend, settings = self._backend_for(simulated=lease.simulated)
        written = backend.write(lease, settings)
        if isinstance(written, Refusal):
            return written
        guarantees = backend.guarantees(settings)
        if guarantees.placed_by is PlacedBy.CLUSTER and self.gpu_type_node_label:
            # As NVIDIA's feature discovery writes the name of a card into a label.
            product = "-".join(lease.gpu_type.split())
            labels = {**written.node_labels, self.gpu_type_node_label: product}
            written = replace(written, node_labels=labels)
        self._fields = written
        return None

    def never_suspended(self) -> str | None:
        """Return why slices of the backend must not be suspended; ``None``: they may.

        Simulated cards are under no backend.
        """
        return self._guarantees(simulated=bool(self.simulated_socket)).not_lendable

    def kept_by(self) -> KeptBy:
        """Return what keeps memory caps and compute shares under the backend."""
        return self._guarantees(simulated=bool(self.simulated_socket)).kept_by

    def granted_words(self, lease: Lease) -> tuple[str, ...]:
        """Return sentences on what was granted, who places it, and what it is sure of."""
        guarantees = self._guarantees(simulated=lease.simulated, of=self._fields)
        placed = guarantees.placed_by is PlacedBy.SUBLET
        granted = gpu_granted(lease) if placed else gpu_granted_somewhere(lease)
        return (granted, *guarantees.sentences())

    def slice_variables(self, lease: Lease, existing: Mapping[str, Any]) -> dict[str, str]:
        """Return the slice's variables, without those that the cluster decides.

        Which card it is, and what programs see of it, is the cluster's to say.
        """
        texts = {name: value for name, value in existing.items() if isinstance(value, str)}
        variables = super().slice_variables(lease, texts)
        if not lease.simulated:
            # The device plugin shows the server its card alone, perhaps another than was granted.
            del variables["CUDA_VISIBLE_DEVICES"], variables["SUBLET_GPU_ID"]
        guarantees = self._guarantees(simulated=lease.simulated, of=self._fields)
        if not guarantees.sees_whole_card:
            variables = without_fractions(variables)
        return variables | dict(self._fields.environment if self._fields else {})

    def get_env(self) -> dict[str, str]:
        """Return the server's environment; without a slice no card is shown to it."""
        environment: dict[str, str] = super().get_env()
        notebook_dir = self._expand_user_properties(self.notebook_dir)
        environment[JOB_FILES_BELOW] = notebook_folder(self._home(), notebook_dir)
        if self._lease is None and self._slice_variables:
            environment["NVIDIA_VISIBLE_DEVICES"] = "void"
        return environment

    async def get_pod_manifest(self) -> Any:
        """Return the pod as KubeSpawner makes it, with the slice written into it."""
        pod = await super().get_pod_manifest()
        if self._lease is None or self._fields is None:
            return pod
        lease = self._lease
        backend, settings = self._backend_for(simulated=lease.simulated)
        factor = self.host_memory_factor if backend.guarantees(settings).lendable else 0
        added = SliceInPod(
            slice_id=lease.slice_id,
            backend=backend.name,
            fields=self._fields,
            claim_names=self._claims(lease).names(),
            folders=self._host_folders(lease, self.agent_socket, self.simulated_socket),
            host_memory_mib=int(lease.memory_mib * factor),
        )
        write_slice(pod, added)
        return pod

    # The life of the pod.

    def start(self) -> "asyncio.Task[Any]":  # type: ignore[override] # both are awaited
        """Start the server; follow its pod to its node meanwhile.

        As KubeSpawner's, it has begun when this returns, whether or not it is awaited.
        """
        return asyncio.ensure_future(self._start_and_follow())

    async def _start_and_follow(self) -> Any:
        self._fields, self._pod_template = None, None
        await self._remove_secret()
        try:
            return await super().start()
        finally:
            await self._stop_following()

    async def poll(self) -> int | None:
        """Return ``None`` while the pod runs; tell its node where that was not known before.

        JupyterHub stops no server that is seen to be gone, such as one whose pod was refused: what
        is left of it is removed here.
        """
        status: int | None = await super().poll()
        if status is not None:
            await self._remove_secret()
        known = self._started
        if status is None and isinstance(known, PodStarted) and known.node is None:
            now = None if self._in_start else self.first_process()
            if now is not None and now.node is not None:
                self._started, self._started_is_told = now, False
                await self._tell_started()
        return status

    async def stop(self, now: bool = False) -> None:  # noqa: FBT001, FBT002 - JupyterHub's signature
        """Remove the pod and give its slice back, unless it is one of before that is in the way."""
        if _removing_pod_of_before.get():
            await super(SliceSpawnerMixin, self).stop(now)
            return
        try:
            await super().stop(now)
        finally:
            await self._remove_secret()

    def first_process(self) -> PodStarted | None:
        """Return the server's pod, as KubeSpawner's watch shows it; ``None`` where it does not."""
        pod = self._seen_pod()
        if pod is None:
            return None
        return PodStarted(
            pod_uid=pod["metadata"]["uid"],
            namespace=self.namespace,
            pod_name=self.pod_name,
            node=pod["spec"].get("nodeName") or None,
            template=self._pod_template,
            takes=taken_by(pod["spec"]) if pod["spec"].get("nodeName") else None,
            cap_kept_by=None if self._fields is None else self._fields.cap_kept_by,
        )

    def progress_sources(self, log: StartLog) -> list[AsyncGenerator[Event, None]]:
        """Return what a start is told of by, with what the pod waits for, in words."""
        return [*super().progress_sources(log), self._tell_of_pod()]

    async def _make_create_pod_request(self, pod: Any, request_timeout: float) -> bool:
        """Create the pod as the admin's hook left it, and follow it; return whether it is made."""
        mark = _removing_pod_of_before.set(True)
        try:
            if self.tokens_in_secrets and not await self._hide_tokens(pod, request_timeout):
                return False
            written = self.api.api_client.sanitize_for_serialization(pod)
            self._pod_template = self._template_of(written)
            created: bool = await super()._make_create_pod_request(pod, request_timeout)
        except ApiException as error:
            refusal = refusal_of(error)
            if refusal is None:
                raise
            if is_for_now(error):
                leave_uncounted(self)
            raise refused(refusal) from error
        finally:
            _removing_pod_of_before.reset(mark)
        if created:
            await self._leave_secret_to_pod(request_timeout)
            await self._record_pod()
        if created and self._in_start and self._slice_id is not None:
            await self._stop_following()
            self._following = asyncio.create_task(self._follow_pod())
        return created

    def _template_of(self, pod: Mapping[str, Any]) -> PodTemplate | None:
        """Return what jobs are made of; ``None``, which the user is told, where none can be."""
        try:
            return template_of(pod, self.namespace)
        except ValidationError as error:
            why = "; ".join(
                f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()
            )
            self._tell_trouble(f"No training job can be made as this server is: {why[:500]}")
            return None

    async def _hide_tokens(self, pod: Any, timeout_s: float) -> bool:
        """Have the pod name a Secret in place of its tokens; return whether it may be made now."""
        if self._secret is None:
            self._secret = ServerSecret(self.api, self.namespace, new_name(self.pod_name))
            self._write_state()
        hiding = await self._secret.take_over(pod, self.api_token, timeout_s)
        if hiding is Hiding.NOT_ALLOWED:
            self._secret = None
            self._write_state()
            if self.tokens_in_secrets != IF_ALLOWED:
                raise not_allowed(self.namespace)
            words = in_the_clear(self.namespace, self.pod_name)
            self.log.error("%s: %s", self._log_name, words)
        return hiding is not Hiding.NOT_YET

    async def _leave_secret_to_pod(self, timeout_s: float) -> None:
        if self._secret is None:
            return
        trouble = await self._secret.leave_to_pod(self.pod_name, timeout_s)
        if trouble is not None:
            words = "%s: its Secret is removed by the hub alone, not with its pod: %s"
            self.log.warning(words, self._log_name, trouble)

    async def _remove_secret(self) -> None:
        secret, self._secret = self._secret, None
        if secret is not None:
            trouble = await secret.remove(self.k8s_api_request_timeout)
            if trouble is not None:
                self.log.warning("%s: Secret %s stays: %s", self._log_name, secret.name, trouble)

    def get_state(self) -> dict[str, Any]:
        """Return the state, with the name of the Secret that goes with the server."""
        state: dict[str, Any] = super().get_state()
        if self._secret is not None:
            state[_KEPT_AS] = self._secret.name
        return state

    def load_state(self, state: dict[str, Any]) -> None:
        """Take up the server again, and its Secret."""
        super().load_state(state)
        name = state.get(_KEPT_AS)
        self._secret = ServerSecret(self.api, self.namespace, name) if name else None

    async def _record_pod(self) -> None:
        """Record what the server is made of; the service is told, as jobs are made of it, then.

        A server without a slice is not told of, and its owner's jobs are as the one before.
        """
        if self.owner_records and self._slice_id is not None and self._pod_template is not None:
            running = [each.name for each in self.user.spawners.values() if each.active]
            await self._records().write(self.name, self._pod_template, running)

    async def delete_forever(self) -> None:
        """Forget what the server was made of, with all that KubeSpawner removes."""
        if self.owner_records:
            await self._records().forget(self.name)
        await super().delete_forever()

    async def _follow_pod(self) -> None:
        """Tell the service of the pod as soon as it exists, and again when it has its node.

        So that already the first of its processes is known as the slice's.
        """
        claims = None if self._lease is None else self._claims(self._lease)
        claimed = claims is None
        while True:
            started = self.first_process()
            if started is not None:
                if claims is not None and not claimed:
                    claimed = await claims.make(started)
                if started != self._started:
                    self._started, self._started_is_told = started, False
                    self._write_state()
                await self._tell_started()
                if claimed and self._started_is_told and started.node is not None:
                    return
            await asyncio.sleep(LOOK_AGAIN_S)

    async def _stop_following(self) -> None:
        following, self._following = self._following, None
        if following is not None:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)

    async def _tell_of_pod(self) -> AsyncGenerator[Event, None]:
        told = None
        while self._in_start:
            pod = self._seen_pod()
            if pod is not None:
                message = what_it_waits_for(pod, self.events)
                if message is None:
                    return
                if message != told:
                    told = message
                    yield {"message": message}
            await asyncio.sleep(self.wait_report_interval_s)

    def _seen_pod(self) -> Mapping[str, Any] | None:
        if self.pod_reflector is None:
            return None
        pod: Mapping[str, Any] | None
        pod = self.pod_reflector.pods.get(f"{self.namespace}/{self.pod_name}")
        return pod if self.pod_has_uid(pod) else None

    def _claims(self, lease: Lease) -> DeviceClaims:
        claims = self._fields.claims if self._fields is not None else ()
        return DeviceClaims(lease.slice_id, claims, self._tell_trouble)

    def _records(self) -> OwnerRecords:
        place = RecordsPlace(self.owner_records, self.namespace, self.k8s_api_request_timeout)
        return OwnerRecords(place, self.user.name, self._tell_trouble, self.log.warning)

    def _tell_trouble(self, message: str) -> None:
        self.log.error("%s: %s", self._log_name, message)
        self.tell(message)
