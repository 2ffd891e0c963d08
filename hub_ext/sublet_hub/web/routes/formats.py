"""Reports as they are asked for: as JSON or as a file, and each when it is the caller's turn."""

import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeVar

from sublet_hub.errors import BadRequestError
from sublet_hub.security.rate_limits import refuse_for
from sublet_hub.web.routes.context import ServiceParts
from sublet_hub.web.routes.route import Call, Nature, Parameter

T = TypeVar("T")

FORMAT: Final = Parameter("format", Nature.TEXT, "json (when left out), or csv, as a file.")
_FORMATS: Final = ("json", "csv")
_COST_OF_REPORT: Final = 5
"""As so many requests more a report counts, whatever its size: it is read of the database."""


def wants_csv(call: Call) -> bool:
    """Whether a table is asked for. ``BadRequestError`` for what there is not."""
    return format_asked(call, _FORMATS) == _FORMATS[1]


def format_asked(call: Call, formats: Sequence[str]) -> str:
    """Return which of these formats is asked for, else the first. ``BadRequestError``."""
    asked = call.text(FORMAT.name) or formats[0]
    if asked not in formats:
        message = f"?format={asked} is none: there are {' and '.join(formats)}"
        raise BadRequestError(message)
    return asked


async def in_turn(service: ServiceParts, call: Call, report: Callable[[], Awaitable[T]]) -> T:
    """Return a report when it is the caller's turn. ``TooManyRequestsError``."""
    key, limits = call.user.key, service.limits
    async with limits.lists.of_caller(key):
        # What the reports before it cost is known only now.
        refuse_for(limits.owners.debt_s(key, time.monotonic()))
        limits.owners.charge(key, _COST_OF_REPORT)
        return await report()
