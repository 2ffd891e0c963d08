"""The answers that a spawner needs of the class that knows where servers run: machine, or pods."""

from collections.abc import Mapping

from sublet_quota.names.ids import SliceId
from sublet_quota.reasons.refusal import Refusal
from sublet_quota.wire.api import AccountTemplate, Lease, TakenOfNode
from sublet_quota.wire.environment import slice_environment

from sublet_spawner.backends.records import KeptBy
from sublet_spawner.messages import gpu_granted
from sublet_spawner.node_takes import taken_by
from sublet_spawner.slice_settings import SliceSettings
from sublet_spawner.started import Started


class ServerPlace(SliceSettings):
    """The place where servers run. What has an answer here need not be told."""

    cpu_guarantee: float | None
    mem_guarantee: int | None
    slice_is_taken_in_start = True
    """Whether ``start`` takes the slice. Not where the class beneath knows only later what the
    user's choice comes to; it then calls ``take_slice`` itself.
    """

    async def account_template(self) -> AccountTemplate | Refusal:
        """Return how this user's processes run there, or the refusal."""
        raise NotImplementedError

    def first_process(self) -> Started | None:
        """Return the server's first process, or its pod; ``None`` where it is not known."""
        raise NotImplementedError

    async def end_what_is_left(self, slice_id: SliceId) -> None:
        """End processes of a slice that outlived their server, before the slice is given back."""

    def form_warnings(self) -> tuple[str, ...]:
        """Return what users must know before they start."""
        return ()

    async def form_notes(self) -> tuple[str, ...]:
        """Return what a slice is sure of here."""
        return ()

    async def other_option_keys(self) -> frozenset[str]:
        """Return the keys of ``user_options`` that are not Sublet's to read."""
        return frozenset(self.other_user_options)

    def never_suspended(self) -> str | None:
        """Return why slices here must never be moved off their card; ``None``: they may be."""
        return None

    def kept_by(self) -> KeptBy:
        """Return what keeps caps and shares of slices here; nothing: the card of each tells."""
        return KeptBy()

    def takes_of_node(self) -> TakenOfNode | None:
        """Return what a server here asks of its node beside the GPU; ``None``: not known."""
        asked = {"cpu": self.cpu_guarantee, "memory": self.mem_guarantee}
        if not any(asked.values()):
            return None
        return taken_by({"containers": [{"resources": {"requests": asked}}]})

    def granted_words(self, lease: Lease) -> tuple[str, ...]:
        """Return sentences on what was granted, for the progress page."""
        return (gpu_granted(lease),)

    def look_at_lease(self, lease: Lease) -> Refusal | None:
        """Take up what was granted; return why no server can be made of it here, or ``None``."""
        del lease
        return None

    def slice_variables(self, lease: Lease, existing: Mapping[str, str]) -> dict[str, str]:
        """Return the variables of a server with this slice."""
        return slice_environment(lease, self._endpoints(), existing, self.context_mib)
