"""The wishes of who installs, and the choices that follow from them and from the machine."""

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from sublet_hub.installation.facts import Facts, Hub, HubKind, HubSettings

LOCAL: Final = "sublet-local"
SYSTEMD: Final = "sublet-systemd"
TLJH: Final = "sublet-tljh"
SPAWNERS: Final = (LOCAL, SYSTEMD, TLJH)
DEFAULT_PORT: Final = 8901
DEFAULT_NODE: Final = "this-machine"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """The options of ``sublet install``; ``None`` leaves a choice to Sublet."""

    spawner: str | None = None
    device: str | None = None
    """``nvidia`` or ``simulated``."""
    port: int = DEFAULT_PORT
    node: str = DEFAULT_NODE
    base_url: str | None = None
    hub_api_url: str | None = None
    users_python: PurePosixPath | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """The choices with which a plan is made."""

    hub: Hub
    spawner: str
    simulated: bool
    port: int
    node: str
    hub_api_url: str
    prefix: str
    """The path of the service below the hub's address, with a slash at both ends."""
    hub_prefix: str
    subdomain_host: str
    subdomain_hook: str
    """JupyterHub's name for it, or ``MODULE:NAME``."""
    systemd_version: int
    has_nvidia_modprobe: bool

    @property
    def service_listens_at(self) -> str:
        """The address of the service on this machine."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def service_url(self) -> str:
        """The address where users' processes reach the service: directly, whatever is in front."""
        return f"{self.service_listens_at}{self.prefix}"


def spawner_for(hub: Hub, wishes: Wishes) -> str:
    """Return the spawner: the wish, what Sublet set up before, or what fits the hub."""
    if wishes.spawner is not None:
        return wishes.spawner
    if hub.kind is HubKind.TLJH:
        return TLJH
    present = "" if hub.settings is None else hub.settings.spawner.lower()
    return SYSTEMD if "systemd" in present else LOCAL


def choices(facts: Facts, hub: Hub, wishes: Wishes) -> Choices:
    """Return the choices for a machine of which nothing is refused."""
    settings = hub.settings or HubSettings()
    base = f"/{(wishes.base_url or settings.base_url).strip('/')}/".replace("//", "/")
    return Choices(
        hub=hub,
        spawner=spawner_for(hub, wishes),
        simulated=wishes.device == "simulated",
        port=wishes.port,
        node=wishes.node,
        hub_api_url=wishes.hub_api_url or settings.api_url,
        prefix=f"{base}services/sublet/",
        hub_prefix=f"{base}hub/",
        subdomain_host=settings.subdomain_host,
        subdomain_hook=settings.subdomain_hook or "idna",
        systemd_version=facts.systemd_version or 0,
        has_nvidia_modprobe=facts.has_nvidia_modprobe,
    )
