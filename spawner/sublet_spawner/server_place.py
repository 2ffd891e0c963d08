"""What a spawner must be told by the class that knows where servers run: this machine, or pods."""

from collections.abc import Mapping

from sublet_quota.names.ids import SliceId
from sublet_quota.reasons.refusal import Refusal
from sublet_quota.wire.api import AccountTemplate, Lease
from sublet_quota.wire.environment import slice_environment

from sublet_spawner.messages import gpu_granted
from sublet_spawner.slice_settings import SliceSettings
from sublet_spawner.started import Started


class ServerPlace(SliceSettings):
    """Where servers run. What has an answer here need not be told."""

    slice_is_taken_in_start = True
    """False where the class beneath knows only later what the user's choice comes to; it then
    calls ``take_slice`` itself."""

    async def account_template(self) -> AccountTemplate | Refusal:
        """Tell how this user's processes run there."""
        raise NotImplementedError

    def first_process(self) -> Started | None:
        """Tell the server's first process, or its pod, if it can be known."""
        raise NotImplementedError

    async def end_what_is_left(self, slice_id: SliceId) -> None:
        """End processes of a slice that outlived their server, before the slice is given back."""

    def form_warnings(self) -> tuple[str, ...]:
        """Tell what users must know before they start."""
        return ()

    async def form_notes(self) -> tuple[str, ...]:
        """Tell what a slice is sure of here."""
        return ()

    async def other_option_keys(self) -> frozenset[str]:
        """Name the keys of ``user_options`` that are not Sublet's to read."""
        return frozenset(self.other_user_options)

    def never_suspended(self) -> str | None:
        """Say why slices here must never be moved off their card, if they must not."""
        return None

    def granted_words(self, lease: Lease) -> tuple[str, ...]:
        """Say what was granted, for the progress page."""
        return (gpu_granted(lease),)

    def look_at_lease(self, lease: Lease) -> Refusal | None:
        """Take up what was granted, or say why a server cannot be made of it here."""
        del lease
        return None

    def slice_variables(self, lease: Lease, existing: Mapping[str, str]) -> dict[str, str]:
        """Give the variables of a server with this slice."""
        return slice_environment(lease, self._endpoints(), existing, self.context_mib)
