"""Sublet's part of the configuration of The Littlest JupyterHub.

A file in its ``jupyterhub_config.d`` begins with nothing, and replaces the lists that others set.
So what the others set is read first, as the hub reads it, and only what is Sublet's is told.
Imported by its hub alone: the package ``tljh`` is there, and not on PyPI.
"""

from pathlib import Path
from typing import Any, Final

from tljh import configurer  # type: ignore[import-not-found, import-untyped, unused-ignore]
from tljh.utils import (  # type: ignore[import-not-found, import-untyped, unused-ignore]
    get_plugin_manager,
)
from traitlets.config import Config
from traitlets.config.loader import PyFileConfigLoader

from sublet_spawner.hub_configuration import SubletOnHub, configure

_OURS: Final = {
    "JupyterHub": ("services", "custom_scopes", "extra_user_scopes", "load_roles"),
    "Spawner": ("server_token_scopes",),
}


def configure_tljh(c: Any, sublet: SubletOnHub, own_file: Path) -> None:
    """Add Sublet to ``c``, in ``own_file``: beside what the hub and its other files set."""
    everything = Config()
    configurer.apply_config(configurer.load_config(), everything)
    get_plugin_manager().hook.tljh_custom_jupyterhub_config(c=everything)
    for other in sorted(own_file.parent.glob("*.py")):
        if other.name != own_file.name:
            loader = PyFileConfigLoader(other.name, path=str(other.parent))
            everything.merge(loader.load_config())
    configure(everything, sublet)
    for section, names in _OURS.items():
        for name in names:
            if name in everything[section]:
                c[section][name] = everything[section][name]
    c.SliceSpawnerMixin.merge(everything.SliceSpawnerMixin)
