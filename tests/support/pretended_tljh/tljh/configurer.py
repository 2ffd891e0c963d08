"""The settings of The Littlest JupyterHub, as far as Sublet's stand beside them."""

from typing import Any


def load_config() -> dict[str, Any]:
    return {"users": {"admin": ["grace"]}}


def apply_config(config: dict[str, Any], c: Any) -> None:
    c.Authenticator.admin_users = set(config["users"]["admin"])
    c.JupyterHub.services = [{"name": "cull-idle", "admin": True, "command": ["cull"]}]
