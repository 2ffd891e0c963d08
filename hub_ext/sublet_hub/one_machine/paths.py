"""Where on one machine the parts keep their files and listen."""

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from sublet_hub.one_machine.ports import Ports

NODE = "this-machine"
PRIVATE_FOLDER = 0o700
PRIVATE_FILE = 0o600


@dataclass(frozen=True, slots=True)
class Places:
    """The files below one folder, and ports, of everything on one machine."""

    folder: Path
    ports: Ports

    @property
    def hub_url(self) -> str:
        """The address where people go."""
        return f"http://127.0.0.1:{self.ports.public}"

    @property
    def service_url(self) -> str:
        """The address of the service, through the hub's proxy."""
        return f"{self.hub_url}/services/sublet/"

    @property
    def service_listens_at(self) -> str:
        """The address of the service itself."""
        return f"http://127.0.0.1:{self.ports.service}"

    @property
    def claim_file(self) -> Path:
        """The file that says which program runs on this folder."""
        return self.folder / "running"

    @property
    def agent_socket(self) -> Path:
        """The socket where notebooks reach the agent."""
        return self.folder / "run" / "agent.sock"

    @property
    def simulated_socket(self) -> Path:
        """The socket where notebooks reach the simulated GPUs."""
        return self.folder / "run" / "gpus.sock"

    @property
    def token_file(self) -> Path:
        """The file of the service's token."""
        return self.folder / "secrets" / "service-token"

    @property
    def admin_token_file(self) -> Path:
        """The file of the token of the admin's command line."""
        return self.folder / "secrets" / "admin-token"

    @property
    def node_secrets(self) -> Path:
        """The folder of nodes' secrets, one file per node."""
        return self.folder / "secrets" / "nodes"

    @property
    def quota_file(self) -> Path:
        """The quota document that is in force."""
        return self.folder / "quota.yaml"

    @property
    def hub_configuration(self) -> Path:
        """JupyterHub's configuration, written anew at each start."""
        return self.folder / "jupyterhub_config.py"

    @property
    def homes(self) -> Path:
        """Users' home folders, where all run as one account."""
        return self.folder / "homes"

    @property
    def logs(self) -> Path:
        """The folder of logs, a file per part."""
        return self.folder / "logs"

    def make(self) -> None:
        """Make folders and secrets that are not there; only this account can read the secrets."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for private in (self.token_file.parent, self.node_secrets, self.logs):
            private.mkdir(exist_ok=True)
            private.chmod(PRIVATE_FOLDER)
        for shared in (self.folder / "run", self.homes):
            shared.mkdir(exist_ok=True)
        for part in ("hub", "service", "agent"):
            (self.folder / part).mkdir(exist_ok=True)
            (self.folder / part).chmod(PRIVATE_FOLDER)
        write_secret_once(self.token_file)
        write_secret_once(self.admin_token_file)
        write_secret_once(self.node_secrets / NODE)


def write_secret_once(path: Path) -> None:
    """Write a new secret, unless there is one."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE_FILE)
    except FileExistsError:
        return
    with os.fdopen(handle, "w", encoding="ascii") as file:
        file.write(secrets.token_hex(32))
