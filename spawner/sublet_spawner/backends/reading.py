"""The reading of a backend's settings from what an admin wrote, with what is wrong in it."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from pydantic import TypeAdapter, ValidationError

from sublet_spawner.backends.records import Backend


def read_settings(backend: Backend[Any], written: Mapping[str, Any]) -> Any:
    """Return the settings as the backend's record; ``ValueError`` for what it does not know."""
    known = list(backend.settings_type.__dataclass_fields__)
    for name in written:
        if name not in known:
            close = get_close_matches(str(name), known, n=1)
            guess = f" (did you mean {close[0]!r}?)" if close else ""
            message = (
                f"backend {backend.name!r} has no setting {name!r}{guess}; it has: "
                f"{', '.join(known) or 'none'}"
            )
            raise ValueError(message)
    adapter = TypeAdapter(backend.settings_type)
    try:
        return adapter.validate_python(dict(written))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "settings"
        message = f"backend {backend.name!r}: {where}: {first['msg']}"
        raise ValueError(message) from error
