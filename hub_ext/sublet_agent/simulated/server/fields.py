"""Fields of a request from somebody who is not trusted, read with care."""

import math
from collections.abc import Mapping
from typing import Final

from sublet_agent.simulated.protocol.errors import CudaCode, SimulatedGpuError

MOST_TEXT: Final = 256
_MOST_NAMES: Final = 4096
_MOST_PID: Final = 2**31 - 1


class Fields:
    """The fields of one request; whatever is missing or wrong is ``INVALID_VALUE``."""

    def __init__(self, message: Mapping[str, object]) -> None:
        self._message = message

    def whole(self, name: str, least: int, most: int) -> int:
        """Return a whole number within bounds."""
        value = self._message.get(name)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise self._wrong(name, f"a whole number from {least} to {most}")
        return value

    def whole_or_none(self, name: str, least: int, most: int) -> int | None:
        """Return a whole number within bounds, ``None`` where it is not given."""
        return None if self._message.get(name) is None else self.whole(name, least, most)

    def pid(self) -> int:
        """Return the process that the request is about."""
        return self.whole("pid", 1, _MOST_PID)

    def pid_or_none(self) -> int | None:
        """Return the process that the request is about, ``None`` where it is about any."""
        return self.whole_or_none("pid", 1, _MOST_PID)

    def seconds(self, name: str, least: float) -> float:
        """Return a time in seconds; ``null`` is for ever."""
        value = self._message.get(name, 0)
        if value is None:
            return math.inf
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._wrong(name, "seconds")
        if not (math.isfinite(value) and value >= least):
            raise self._wrong(name, f"{least} seconds or more")
        return float(value)

    def text(self, name: str) -> str:
        """Return a short text."""
        value = self._message.get(name)
        if not isinstance(value, str) or len(value) > MOST_TEXT:
            raise self._wrong(name, f"a text of at most {MOST_TEXT} characters")
        return value

    def text_or_none(self, name: str) -> str | None:
        """Return a short text, ``None`` where it is not given."""
        return None if self._message.get(name) is None else self.text(name)

    def flag(self, name: str) -> bool:
        """Return whether something is wanted; not where it is not said."""
        value = self._message.get(name, False)
        if not isinstance(value, bool):
            raise self._wrong(name, "true or false")
        return value

    def texts(self, name: str) -> dict[str, str]:
        """Return a small table from text to text, empty where it is not given."""
        value = self._message.get(name) or {}
        if not isinstance(value, dict) or not all(
            isinstance(text, str) and len(text) <= MOST_TEXT for text in value.values()
        ):
            raise self._wrong(name, "a table of texts")
        return {str(key): str(text) for key, text in value.items()}

    def names(self, name: str) -> tuple[str, ...] | None:
        """Return short texts from one, which a comma parts; ``None`` where it is not given."""
        text = self._message.get(name)
        if text is not None and (not isinstance(text, str) or len(text) > _MOST_NAMES):
            raise self._wrong(name, f"a text of at most {_MOST_NAMES} characters")
        return None if text is None else tuple(filter(None, map(str.strip, text.split(","))))

    def _wrong(self, name: str, allowed: str) -> SimulatedGpuError:
        value = repr(self._message.get(name))[:MOST_TEXT]
        return SimulatedGpuError(f"{name} is {value}: give {allowed}", CudaCode.INVALID_VALUE)
