"""Where on one machine the parts keep their files and listen."""

import secrets
from dataclasses import dataclass
from pathlib import Path

from sublet_hub.host.private_files import write_private
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
    def password_file(self) -> Path:
        """The file of the password by which users log in; the same for as long as it is there."""
        return self.folder / "secrets" / "password"

    @property
    def admin_password_file(self) -> Path:
        """The file of the password of the user ``admin``."""
        return self.folder / "secrets" / "admin-password"

    @property
    def proxy_token_file(self) -> Path:
        """The file of the token by which the hub tells the proxy its ways."""
        return self.folder / "secrets" / "proxy-token"

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
    def closed_gpus(self) -> Path:
        """The agent's file of the cards that take nothing new until the machine is booted."""
        return self.folder / "agent" / "closed-gpus.json"

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
        for token in (self.token_file, self.admin_token_file, self.proxy_token_file):
            write_secret_once(token, secrets.token_hex(32))
        write_secret_once(self.node_secrets / NODE, secrets.token_hex(32))
        # As people type them; JupyterHub wants 8 characters of users and 32 of the admin.
        write_secret_once(self.password_file, secrets.token_urlsafe(9))
        write_secret_once(self.admin_password_file, secrets.token_urlsafe(24))


def write_secret_once(path: Path, secret: str) -> None:
    """Write a secret, unless there is one."""
    if not path.exists():
        write_private(path, secret.encode())
