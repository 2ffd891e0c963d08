"""The module `z2jh` of zero-to-jupyterhub's hub image, as far as our configuration uses it."""

from collections.abc import Mapping
from types import ModuleType
from typing import Any


def fake_z2jh(values: Mapping[str, Any], secrets: Mapping[str, str]) -> ModuleType:
    """Return the module over a chart's values and the contents of its Secret."""

    def get_config(key: str, default: Any = None) -> Any:
        found: Any = values
        for name in key.split("."):
            if not isinstance(found, Mapping) or name not in found:
                return default
            found = found[name]
        return found

    def get_secret_value(key: str) -> str:
        return secrets[key]

    module = ModuleType("z2jh")
    vars(module).update(get_config=get_config, get_secret_value=get_secret_value)
    return module
