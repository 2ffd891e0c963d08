"""The spawner of The Littlest JupyterHub 2, but for its groups of accounts."""

from typing import Any

from systemdspawner import SystemdSpawner

from tljh import user
from tljh.normalize import generate_system_username


class UserCreatingSpawner(SystemdSpawner):
    def start(self) -> Any:
        system_username = generate_system_username("jupyter-" + self.user.name)
        self.username_template = system_username
        user.ensure_user(system_username)
        self.disable_user_sudo = not self.user.admin
        return super().start()
