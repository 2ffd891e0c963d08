"""The spawner of The Littlest JupyterHub with slices: its accounts are made when they are needed.

Imported by its hub alone: the package ``tljh`` is there, and not on PyPI.
"""

from sublet_quota.reasons.refusal import Refusal
from tljh import user  # type: ignore[import-not-found, import-untyped, unused-ignore]
from tljh.normalize import (  # type: ignore[import-not-found, import-untyped, unused-ignore]
    generate_system_username,
)
from tljh.user_creating_spawner import (  # type: ignore[import-not-found, import-untyped, unused-ignore]
    UserCreatingSpawner,
)

from sublet_spawner.account import Account
from sublet_spawner.systemd import StartedUnits, UnitSlices


class TljhSliceSpawner(UnitSlices, StartedUnits, UserCreatingSpawner):  # type: ignore[misc]
    """A server with a slice, as a systemd unit of a user of The Littlest JupyterHub."""

    def find_account(self) -> Account | Refusal:
        """Return the user's account, which is made at the first start: a slice is asked for it."""
        self.username_template = generate_system_username(f"jupyter-{self.user.name}")
        user.ensure_user(self.username_template)
        return super().find_account()
