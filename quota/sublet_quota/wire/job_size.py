"""How much of a job's request is stored for months and listed, and how much that may be.

What is too large is refused with its size and what can be left out.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

from pydantic_core import PydanticCustomError

MOST_PARAMETER_BYTES: Final = 16 * 1024
"""The most bytes of a job's parameters, as JSON."""
MOST_JOB_BYTES: Final = 16 * 1024
"""The most bytes of all that is stored of a job's request, as JSON."""

_IN_PLACE_OF: Final = {
    "parameters": "put what is large into a file that the notebook reads, and give its path",
    "take_along": "name folders in place of the files in them, or . for all",
    "environment": "leave variables out, or put them into a file that the notebook reads",
}
"""What helps, by the part that takes most of the room."""


def check_parameters(parameters: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters, unless they are too large."""
    size = _size(parameters)
    if size > MOST_PARAMETER_BYTES:
        raise PydanticCustomError(
            "too_large",
            "they are {size} bytes as JSON, and {most} are possible: {help}",
            {"size": size, "most": MOST_PARAMETER_BYTES, "help": _IN_PLACE_OF["parameters"]},
        )
    return parameters


def check_job(stored: Mapping[str, Any]) -> None:
    """Refuse what is too large altogether; ``stored`` has all parts of ``_IN_PLACE_OF``."""
    size = _size(stored)
    if size > MOST_JOB_BYTES:
        part = max(_IN_PLACE_OF, key=lambda name: _size(stored[name]))
        raise PydanticCustomError(
            "too_large",
            "the job is {size} bytes as JSON, and {most} are possible. Its {part} takes {of_part} "
            "of them: {help}",
            {
                "size": size,
                "most": MOST_JOB_BYTES,
                "part": part,
                "of_part": _size(stored[part]),
                "help": _IN_PLACE_OF[part],
            },
        )


def _size(value: Any) -> int:
    return len(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace"))
