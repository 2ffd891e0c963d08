"""A job's parameters as they are kept in memory: as JSON, and read when somebody asks.

Made of objects, 16 KiB of them take half a MiB where they are many small ones; and their owner
chooses what they are.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class JobParameters:
    """A notebook's parameters, by name."""

    text: bytes
    """An object of JSON."""

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "JobParameters":
        """Return parameters with these values."""
        return cls(json.dumps(values, ensure_ascii=False).encode("utf-8", "surrogatepass"))

    def values(self) -> dict[str, Any]:
        """Return the values, made anew."""
        values: dict[str, Any] = json.loads(self.text.decode("utf-8", "surrogatepass"))
        return values
