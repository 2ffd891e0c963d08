"""The choices of a user for a server on Kubernetes: a size beside KubeSpawner's profiles.

Both are chosen together, and a profile may fix the size. What that comes to is known once
KubeSpawner has applied the profile, which it does inside ``start``.
"""

from copy import deepcopy
from typing import Any, Final

from jupyterhub.utils import maybe_future  # type: ignore[import-untyped]
from kubernetes_asyncio.client.models import V1Container
from kubespawner import KubeSpawner  # type: ignore[import-untyped]
from kubespawner.utils import get_k8s_model  # type: ignore[import-untyped]
from sublet_quota.reasons.refusals.refuse import refuse
from sublet_quota.reasons.refusals.servers import ServerRefusal
from sublet_quota.wire.api import TakenOfNode
from sublet_quota.wire.environment import NO_GPU

from sublet_spawner.backends.records import PlacedBy
from sublet_spawner.choice import KEYS, SliceChoice
from sublet_spawner.kube_settings import KubeSliceSettings
from sublet_spawner.node_takes import taken_by
from sublet_spawner.profiles import option_keys, split_form, with_own_size
from sublet_spawner.refused import not_started
from sublet_spawner.slice_spawner import SliceSpawnerMixin

_SET_BY_PROFILES: Final = ("slice_size", "slice_backend", "slice_backend_settings")


class KubeChoices(KubeSliceSettings, SliceSpawnerMixin, KubeSpawner):  # type: ignore[misc]
    """The part of the spawner that reads a choice, and asks for the slice that comes of it."""

    slice_is_taken_in_start = False

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        # A profile's overrides stay on the spawner: of these the next start must not know.
        self._as_configured = {name: deepcopy(getattr(self, name)) for name in _SET_BY_PROFILES}

    async def other_option_keys(self) -> frozenset[str]:
        """Return the keys of the admin's configuration, and those of KubeSpawner's profiles."""
        keys = await super().other_option_keys()
        if set(self.user_options or ()) <= keys | KEYS:
            return keys
        own = option_keys(await self._profiles())
        if both := sorted(own & KEYS):
            message = (
                f"A profile of this hub has an option named {both[0]!r}, which is Sublet's: an "
                "admin must name it differently in profile_list"
            )
            raise not_started(message, "bad-profile", 500)
        return keys | own

    def _options_of_form(self, form_data: dict[str, list[str]]) -> dict[str, Any]:
        of_profiles, rest = split_form(form_data)
        options: dict[str, Any] = super()._options_of_form(rest)
        if of_profiles:
            options |= self._options_from_form(of_profiles)
        return options

    async def choice(self) -> SliceChoice:
        """Return the choice; the size that a profile comes with goes before it."""
        choice = await super().choice()
        if not self.slice_size:
            return choice
        size = SliceChoice(size=self.slice_size, gpu_type=choice.gpu_type, group=choice.group)
        if choice.size not in {None, self.slice_size} or choice.memory_mib is not None:
            self.tell(f"The profile comes with {size}; {choice} was not used")
        return SliceChoice(size=NO_GPU) if self.slice_size == NO_GPU else size

    def takes_of_node(self) -> TakenOfNode | None:
        """Return what the pod will ask of the node that Sublet chooses, before it is made.

        As far as KubeSpawner's own settings say: what the cluster made of it is told afterwards.
        ``None``: the cluster chooses the node.
        """
        guarantees = self._guarantees(simulated=bool(self.simulated_socket))
        if guarantees.placed_by is PlacedBy.CLUSTER:
            return None
        own = {
            "requests": {
                "cpu": self.cpu_guarantee,
                "memory": self.mem_guarantee,
                **(self.extra_resource_guarantees or {}),
            },
            "limits": {
                "cpu": self.cpu_limit,
                "memory": self.mem_limit,
                **(self.extra_resource_limits or {}),
            },
        }
        instead = (self.extra_container_config or {}).get("resources")
        more, first = (
            [get_k8s_model(V1Container, each) for each in self._expand_all(configured) or ()]
            for configured in map(
                self._sorted_dict_values, (self.extra_containers, self.init_containers)
            )
        )
        containers = [{"resources": own if instead is None else instead}, *more]
        spec = self.api.api_client.sanitize_for_serialization(
            {"containers": containers, "initContainers": first}
        )
        return taken_by(spec, self.host_memory_factor if guarantees.lendable else 0)

    async def form_notes(self) -> tuple[str, ...]:
        """Return what a slice is sure of on this cluster, and which profiles fix the size."""
        sentences = self._guarantees(simulated=bool(self.simulated_socket)).sentences()
        return (*sentences, *with_own_size(await self._profiles()))

    async def load_user_options(self) -> None:
        """Apply the profile, as KubeSpawner does; then ask for the slice that comes of it."""
        for name, value in self._as_configured.items():
            setattr(self, name, deepcopy(value))
        await super().choice()
        try:
            await super().load_user_options()
            self._backend_for(simulated=False)
        except (KeyError, TypeError, ValueError) as error:
            if not self._in_start:
                raise
            raise self.refusal(refuse(ServerRefusal.PROFILE_UNUSABLE, told=str(error))) from error
        if self._in_start:
            await self.take_slice()

    async def _profiles(self) -> list[dict[str, Any]]:
        profiles = self._sorted_dict_values(self.profile_list)
        if callable(profiles):
            profiles = await maybe_future(profiles(self))
        initialised: list[dict[str, Any]] = self._get_initialized_profile_list(profiles)
        return initialised
