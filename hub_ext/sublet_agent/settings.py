"""The agent's settings below its command line: frozen, and valid or not made at all."""

from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Self

from sublet_agent.cgroups import GroupSettings
from sublet_agent.device_plugin.settings import DevicePluginSettings
from sublet_agent.errors import SettingsError
from sublet_agent.transitions.moves import MoveSettings


@dataclass(frozen=True, slots=True)
class ActivitySettings:
    """What counts as work, and for how long it counts on a tenant's word alone."""

    wake_cpu_share: float = 0.25
    """A process that uses so much of one CPU is at work."""
    unused_budget: timedelta = timedelta(seconds=1200)
    """So long a slice may be active without any measured use of its GPU. Idle time refills it,
    four times slower; measured use at once."""
    claim_counts_for: timedelta = timedelta(seconds=10)
    """Beyond the budget, a cell or a wake without use of the GPU counts for so long."""
    busy_wakes_after: timedelta = timedelta(seconds=120)
    """A suspended slice one of whose cells still runs is woken after so long: that cell may
    wait inside a GPU call, which nothing shows."""

    @classmethod
    def of_seconds(
        cls, wake_cpu_share: float, unused_budget_s: float, busy_wakes_after_s: float
    ) -> Self:
        """Return the settings that the command line knows."""
        return cls(
            wake_cpu_share=wake_cpu_share,
            unused_budget=timedelta(seconds=unused_budget_s),
            busy_wakes_after=timedelta(seconds=busy_wakes_after_s),
        )


@dataclass(frozen=True, slots=True)
class LinkSettings:
    """How to reach the hub service."""

    service_url: str
    secret_file: Path
    status_period_s: float = 1.0
    silence_s: float = 30.0
    """After so long without a word from the service nothing is lent."""
    first_retry_s: float = 0.5
    longest_retry_s: float = 5.0


@dataclass(frozen=True, slots=True)
class SocketLimits:
    """What each slice, and each account of strangers, may use of the tenants' socket."""

    connections: int = 1024
    """A kernel has two, and more for its subshells."""
    connects_per_s: int = 50
    lines_per_s: int = 200
    shares_per_s: int = 50


@dataclass(frozen=True, slots=True)
class AgentSettings:
    """Everything that the agent is told at its start."""

    node: str
    state_folder: Path
    tenant_socket: Path
    link: LinkSettings | None
    moves: MoveSettings = field(default_factory=MoveSettings)
    groups: GroupSettings = field(default_factory=GroupSettings)
    activity: ActivitySettings = field(default_factory=ActivitySettings)
    sample_period_s: float = 0.15
    host_memory_mib: int | None = None
    """The budget for images of suspended processes; ``None``: what the machine has."""
    evict_grace_s: float = 10.0
    device_plugin: DevicePluginSettings | None = None
    """``None``: this node has no kubelet to tell of lendable room."""
    first_suspend_mib_per_s: int = 1700
    socket: SocketLimits = field(default_factory=SocketLimits)

    def __post_init__(self) -> None:
        """Refuse what cannot work."""
        if not self.node:
            message = "the node has no name: set SubletAgent.node"
            raise SettingsError(message)
        if self.sample_period_s <= 0:
            message = f"sample_period_s is {self.sample_period_s}: give more than 0"
            raise SettingsError(message)
        if self.moves.margin_mib < 0:
            message = f"margin_mib is {self.moves.margin_mib}: give 0 or more"
            raise SettingsError(message)
