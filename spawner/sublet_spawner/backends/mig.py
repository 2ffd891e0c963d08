"""MIG: a fixed part of a card, cut by its hardware; the smallest that holds the slice."""

import re
from dataclasses import dataclass
from typing import Final

from sublet_quota.reasons.cap_keepers import CapKeeper
from sublet_quota.reasons.refusal import Refusal
from sublet_quota.reasons.refusals.refuse import refuse
from sublet_quota.reasons.refusals.servers import ServerRefusal
from sublet_quota.reasons.share_kept import ShareKept
from sublet_quota.wire.api import Lease

from sublet_spawner.backends.records import Backend, Guarantees, PlacedBy, PodFields

_PROFILE: Final = re.compile(r"([1-9])g\.([1-9][0-9]{0,3})gb")
_MIB_PER_GB: Final = 1024
_COMPUTE_PARTS: Final = 7
"""The number of parts into which all cards with MIG cut their compute."""


@dataclass(frozen=True, slots=True)
class MigSettings:
    """The profiles that the cluster's cards are cut into, under the plugin's strategy ``mixed``."""

    profiles: tuple[str, ...] = ("1g.10gb", "2g.20gb", "3g.40gb", "7g.80gb")
    resource_prefix: str = "nvidia.com/mig-"

    def __post_init__(self) -> None:
        """Refuse names that NVIDIA does not give: parts of the compute, and memory."""
        for profile in self.profiles:
            if _PROFILE.fullmatch(profile) is None:
                message = f"profiles has {profile!r}: give names such as '1g.10gb'"
                raise ValueError(message)
        if not self.profiles:
            message = "profiles is empty: name those that the cluster's cards are cut into"
            raise ValueError(message)


def _guarantees(settings: MigSettings) -> Guarantees:
    del settings
    return Guarantees(
        memory="the card itself keeps your part apart, with a little less than its name says",
        compute="the card itself keeps your part apart",
        placed_by=PlacedBy.CLUSTER,
        cap_kept_by=(CapKeeper.MIG,),
        compute_kept_by=ShareKept.BY_MIG,
        not_lendable="the driver cannot suspend programs on a part of a card",
        sees_whole_card=False,
    )


def _write(lease: Lease, settings: MigSettings) -> PodFields | Refusal:
    profile = _smallest(lease, settings)
    if profile is None:
        return refuse(
            ServerRefusal.NO_MIG_PROFILE,
            asked_mib=lease.memory_mib,
            asked_milli=lease.compute_milli,
            profiles=settings.profiles,
        )
    return PodFields(limits={f"{settings.resource_prefix}{profile}": "1"})


def _smallest(lease: Lease, settings: MigSettings) -> str | None:
    fitting = [
        (memory_mib, compute_milli, profile)
        for profile in settings.profiles
        for compute_milli, memory_mib in [_size(profile)]
        if memory_mib >= lease.memory_mib and compute_milli >= lease.compute_milli
    ]
    return min(fitting)[2] if fitting else None


def _size(profile: str) -> tuple[int, int]:
    """Return milli-GPU and MiB of a profile, as its name says."""
    found = _PROFILE.fullmatch(profile)
    if found is None:
        message = f"{profile!r} is no MIG profile"
        raise ValueError(message)
    return int(found[1]) * 1000 // _COMPUTE_PARTS, int(found[2]) * _MIB_PER_GB


MIG = Backend("mig", MigSettings, _guarantees, _write)
