"""The plugins of The Littlest JupyterHub: one, which adds a service."""

from types import SimpleNamespace
from typing import Any


def get_plugin_manager() -> Any:
    return SimpleNamespace(hook=SimpleNamespace(tljh_custom_jupyterhub_config=_add_a_service))


def _add_a_service(c: Any) -> None:
    c.JupyterHub.services.append({"name": "of-a-plugin"})
