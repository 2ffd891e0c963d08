"""The agent's settings below its command line: frozen, and valid or not made at all."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sublet_agent.cgroups.node_groups import GroupSettings
from sublet_agent.device_plugin.settings import DevicePluginSettings
from sublet_agent.devices.interface import Gpu
from sublet_agent.errors import SettingsError
from sublet_agent.fitness.trial import TrialLimits
from sublet_agent.hub_link.connection import LinkSettings
from sublet_agent.moves.plan import MoveSettings
from sublet_agent.residency.activity import ActivitySettings
from sublet_agent.residency.compute_shares import TurnSettings
from sublet_agent.tenants.budgets import SocketLimits


@dataclass(frozen=True, slots=True)
class AgentSettings:
    """The settings of an agent, as it is told them at its start."""

    node: str
    state_folder: Path
    tenant_socket: Path
    link: LinkSettings | None
    moves: MoveSettings = field(default_factory=MoveSettings)
    groups: GroupSettings = field(default_factory=GroupSettings)
    activity: ActivitySettings = field(default_factory=ActivitySettings)
    gpus: tuple[str, ...] = ()
    """The cards to serve, by UUID or number; none named: all."""
    sample_period_s: float = 0.15
    compute_turns: TurnSettings = field(default_factory=TurnSettings)
    host_memory_mib: int | None = None
    """The budget for images of suspended processes; ``None``: what the machine has."""
    evict_grace_s: float = 10.0
    device_plugin: DevicePluginSettings | None = None
    """``None``: this node has no kubelet to tell of lendable room."""
    first_suspend_mib_per_s: int = 1700
    socket: SocketLimits = field(default_factory=SocketLimits)
    canary: TrialLimits | None = field(default_factory=TrialLimits)
    """How long trying a card may take; ``None``: cards are lent untried."""

    def served(self, gpus: Sequence[Gpu]) -> Sequence[Gpu]:
        """Return those of the node's cards that are to be served.

        ``SettingsError`` where a named one is not there.
        """
        if not self.gpus:
            return gpus
        by_name = {name: gpu for gpu in gpus for name in (str(gpu.index), str(gpu.gpu_id))}
        missing = [name for name in self.gpus if name not in by_name]
        if missing:
            known = ", ".join(f"{gpu.index} ({gpu.gpu_id})" for gpu in gpus) or "none"
            message = f"gpus names {', '.join(missing)}: the cards here are {known}"
            raise SettingsError(message)
        named = {by_name[name].gpu_id for name in self.gpus}
        return [gpu for gpu in gpus if gpu.gpu_id in named]

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
