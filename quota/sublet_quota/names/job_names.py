"""The names of jobs, for folders, logs and commands: plain letters only."""

import re
from typing import Final

_OTHERS: Final = re.compile(r"[^A-Za-z0-9._-]+")
_MOST: Final = 100


def job_name(text: str) -> str:
    """Return ``text`` as a job's name: letters, digits and ``._-``; ``job`` where none is left."""
    return _OTHERS.sub("-", text).strip("-.")[:_MOST].strip("-.") or "job"
