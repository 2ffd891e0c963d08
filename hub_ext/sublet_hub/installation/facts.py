"""The facts about a machine on which Sublet is installed: frozen records, looked up elsewhere."""

from dataclasses import dataclass, field
from enum import Enum
from pathlib import PurePosixPath
from urllib.parse import urlsplit


class HubKind(Enum):
    """The kind of hub that is there already."""

    PLAIN = "JupyterHub"
    TLJH = "The Littlest JupyterHub"


@dataclass(frozen=True, slots=True)
class Packages:
    """The packages of one Python environment, as far as they matter here."""

    python: PurePosixPath
    """The environment's interpreter."""
    python_version: tuple[int, int] | None = None
    """``None``: there is no such environment."""
    versions: dict[str, str] = field(default_factory=dict)
    """The version of each package that was looked for and is there."""
    closed: PurePosixPath | None = None
    """The first folder on the way to the interpreter that other accounts than root may not enter,
    or the interpreter where they may not execute it.
    """


@dataclass(frozen=True, slots=True)
class HubSettings:
    """The settings of the hub that Sublet must know, read as the hub itself reads them."""

    base_url: str = "/"
    api_url: str = "http://127.0.0.1:8081/hub/api"
    spawner: str = ""
    """The spawner class, by its name or its path; empty: JupyterHub's own."""
    internal_ssl: bool = False
    public_port: int = 8000
    """The port at which people reach the hub."""
    proxy_api_port: int = 8001
    """The port at which the hub tells its proxy."""
    subdomain_host: str = ""
    """The hub's address for browsers where each user has an origin; empty: all share the hub's."""
    subdomain_hook: str | None = "idna"
    """By what the hub names origins: JupyterHub's name for it, or the function as ``MODULE:NAME``;
    ``None``: what the hub has cannot be had by another program.
    """

    @property
    def ports(self) -> frozenset[int]:
        """The ports that hub and proxy listen at."""
        api = urlsplit(self.api_url).port
        return frozenset({self.public_port, self.proxy_api_port, *([] if api is None else [api])})


@dataclass(frozen=True, slots=True, kw_only=True)
class Hub:
    """The hub that is there."""

    kind: HubKind
    unit: str
    """The systemd unit that runs it, such as ``jupyterhub.service``."""
    configuration: PurePosixPath
    """The configuration file that it is started with, or the one that is named by an option."""
    units_configuration: PurePosixPath | None = None
    """The file that the unit says; ``None`` where that depends on what is not known here."""
    has_configuration: bool = True
    """Whether the configuration file is there."""
    environment: Packages
    users: Packages
    """The environment that users' servers and jobs run in."""
    settings: HubSettings | None
    """``None`` where they cannot be read."""
    settings_problem: str = ""
    prefix: PurePosixPath | None = None
    """Where The Littlest JupyterHub is."""
    account: str = "root"
    is_enabled: bool = True
    """Whether the unit starts with the machine."""
    private_devices: bool = False
    """Whether the unit hides the machine's devices from the hub, and from all that it starts."""


@dataclass(frozen=True, slots=True)
class AccountThere:
    """The account that has the name of the service's already."""

    uid: int
    home: PurePosixPath
    shell: PurePosixPath

    def is_persons(self, least_uid: int) -> bool:
        """Whether somebody logs in to the account; people's uids begin with the least one."""
        logs_in = self.shell.name not in {"nologin", "false"}
        at_home = PurePosixPath("/home") in self.home.parents
        return self.uid >= least_uid or (logs_in and at_home)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything about the machine that the plan depends on."""

    sublet_version: str
    is_root: bool
    in_image: bool
    """Whether this is an image's folder, where nothing runs."""
    systemd_version: int | None
    """``None``: there is no systemd."""
    systemd_runs: bool
    """Whether systemd started this machine."""
    hubs: tuple[Hub, ...]
    gpus: tuple[str, ...]
    """The names of the NVIDIA cards; none where none is found, or in an image."""
    other_units: tuple[str, ...] = ()
    """The units that run a hub, but are not the one that is named."""
    drop_ins: tuple[PurePosixPath, ...] = ()
    """Changes of the admin's to Sublet's units, as `systemctl edit` keeps them."""
    has_nvidia_modprobe: bool = False
    port_is_taken: bool = False
    """Whether something else than Sublet's own service listens at the wanted port."""
    account: AccountThere | None = None
    least_uid: int = 1000
    """The least uid of people's accounts."""
