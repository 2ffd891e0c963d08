"""A service whose quota document is kept in its database, and begins as a file."""

from dataclasses import replace
from pathlib import Path

from sublet_hub.settings import ServiceSettings
from sublet_quota.wire.quota import KeptIn

from tests.support.hub_world import settings_for


def settings_with(folder: Path, text: str | None) -> ServiceSettings:
    """Return settings by which the first document is this text; ``None``: there is no file."""
    file = folder / "quota.yaml"
    if text is not None:
        file.write_text(text)
    path = None if text is None else file
    return replace(settings_for(folder), quota_file=path, quota_source=KeptIn.DATABASE)
