"""The options of ``sublet install`` as text: the ones given, and else those of the last time. Pure.

The manifest keeps them, which root alone can write, until Sublet is uninstalled.
"""

from collections.abc import Mapping
from pathlib import PurePosixPath

from sublet_hub.errors import ConfigurationError
from sublet_hub.installation.looking import Named
from sublet_hub.installation.wishes import DEFAULT_NODE, DEFAULT_PORT, Wishes

Options = Mapping[str, str]


def as_text(options: Mapping[str, object]) -> Options:
    """Return the options that are given, as text."""
    return {name: str(value) for name, value in options.items() if value is not None}


def wishes_of(options: Options) -> Wishes:
    """Return the wishes that options express. ``ConfigurationError``: the port is no number."""
    port = options.get("port", str(DEFAULT_PORT))
    if not port.isdecimal():
        message = f"the last installation's port is {port!r}: say --port"
        raise ConfigurationError(message)
    return Wishes(
        spawner=options.get("spawner"),
        device=options.get("device"),
        port=int(port),
        node=options.get("node", DEFAULT_NODE),
        base_url=options.get("base_url"),
        hub_api_url=options.get("hub_api_url"),
        users_python=_path(options.get("users_python")),
    )


def named_of(options: Options) -> Named:
    """Return what of the hub options name."""
    return Named(
        unit=options.get("hub_unit"),
        configuration=_path(options.get("hub_config")),
        python=_path(options.get("hub_python")),
    )


def as_before(kept: Options, given: Options) -> str:
    """Return the kept options that count, as they are typed; empty: none does."""
    return " ".join(
        f"--{name.replace('_', '-')} {value}" for name, value in kept.items() if name not in given
    )


def _path(text: str | None) -> PurePosixPath | None:
    return None if text is None else PurePosixPath(text)
