"""The base of every wire model, and the bounded types of their fields.

Each number, text and list that goes between parts has a bound, by the types of this module or by a
``Field`` of its own: whoever sends cannot fill a reader's memory, and whatever was read fits into
the ledger's columns and into a page's numbers. A ``Field`` adds no bound to a type that has one of
the same kind: pydantic keeps one of the two. ``tests/quota/wire/test_bounds.py`` looks.

What a part is *asked* is refused where it is beyond its bound (``Name``, ``Text``, ``Reason``).
What a part *tells* is cut there (``Words``, ``LongWords``, ``ToldNumber``, ``keeps_first``): a
sentence that grew too long must neither end an agent's connection nor be an error of the service's.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final, TypeVar

import pydantic
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
)

from sublet_quota.amounts.gpu_amounts import MOST_OF_A_CARD_MIB
from sublet_quota.names.control_groups import is_group_of_a_unit

MOST_TEXT: Final = 4000
MOST_LONG_TEXT: Final = 20_000
MOST_REASON: Final = 1000
MOST_MIB: Final = 2**40
"""A whole exbibyte, in MiB: more than any machine has, and a page's numbers hold it exactly."""
MOST_EXACT: Final = 2**53 - 1
"""The largest integer that a page's numbers hold exactly."""
LEAST_CELSIUS: Final = -100
MOST_CELSIUS: Final = 300
"""What no card is beyond, in degrees Celsius."""
MOST_COUNT: Final = 2**31 - 1
"""The largest integer of a column of 32 bits."""
MOST_S: Final = 86_400.0 * 999_999_999
"""The longest time that a ``timedelta`` holds, in seconds."""
_MOST_PID: Final = 2**22
"""The most that Linux lets ``kernel.pid_max`` be."""
_MOST_UID: Final = 2**32 - 1
_FIRST_YEAR: Final = 1970
_LAST_YEAR: Final = 9000
_CUT: Final = "…"
CONTROLS: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2028\u2029\u2066-\u2069\ud800-\udfff]"
)
"""Characters that steer a terminal, a line of a log or the direction of writing, or that are none.
"""


@dataclass(frozen=True, slots=True)
class BoundedBy:
    """What bounds a field whose type cannot say it; stands in its annotation."""

    what: str


def shortened(text: str, most: int = MOST_TEXT) -> str:
    """Return the text, or as much of it as fits into ``most`` characters, with an ellipsis."""
    return text if len(text) <= most else f"{text[: most - len(_CUT)]}{_CUT}"


def _shortener(most: int) -> Callable[[Any], Any]:
    return lambda told: shortened(told, most) if isinstance(told, str) else told


def keeps_first(most: int) -> BeforeValidator:
    """Return what keeps the first ``most`` of a list that a part tells."""
    return BeforeValidator(lambda told: told[:most] if isinstance(told, list | tuple) else told)


def _of_a_unit(path: str) -> str:
    if not is_group_of_a_unit(path):
        message = f"{path!r} is not the control group of a systemd service"
        raise ValueError(message)
    return path


def _between_years(at: datetime) -> datetime:
    # Some that Python knows cannot be told in UTC: no database takes them.
    if not _FIRST_YEAR <= at.year <= _LAST_YEAR:
        message = f"the year must be between {_FIRST_YEAR} and {_LAST_YEAR}"
        raise ValueError(message)
    return at


def _not_blank(text: str) -> str:
    if not text.strip():
        message = "it says nothing: write why"
        raise ValueError(message)
    return text


def of_plain_text(text: str) -> str:
    """Return the text. ``ValueError`` where it has what a terminal or a page would obey."""
    if CONTROLS.search(text):
        message = "it has control characters, or line breaks: write one line of plain text"
        raise ValueError(message)
    return text


AwareDatetime = Annotated[pydantic.AwareDatetime, AfterValidator(_between_years)]
"""A time with its time zone, which every database takes."""

Name = Annotated[str, StringConstraints(min_length=1, max_length=255)]
Reason = Annotated[str, StringConstraints(max_length=MOST_REASON)]
"""Why a person does something, in their words: refused where it is too long."""
PlainReason = Annotated[
    str,
    StringConstraints(min_length=1, max_length=MOST_REASON),
    AfterValidator(of_plain_text),
    AfterValidator(_not_blank),
]
"""Such a reason that must be given, in one line."""
Text = Annotated[str, StringConstraints(max_length=MOST_TEXT)]
LongText = Annotated[str, StringConstraints(max_length=MOST_LONG_TEXT)]
Words = Annotated[
    str, BeforeValidator(_shortener(MOST_TEXT)), StringConstraints(max_length=MOST_TEXT)
]
"""What a part tells people: cut where it is too long."""
LongWords = Annotated[
    str, BeforeValidator(_shortener(MOST_LONG_TEXT)), StringConstraints(max_length=MOST_LONG_TEXT)
]
PathText = Annotated[str, StringConstraints(min_length=1, max_length=1000)]
"""A path below a folder, with ``/`` between its parts."""
UnitGroup = Annotated[str, StringConstraints(max_length=4096), AfterValidator(_of_a_unit)]
"""The control group of a systemd service, such as ``/system.slice/jupyter-ada.service``."""

Count = Annotated[int, Field(ge=0, le=MOST_COUNT)]
PositiveCount = Annotated[int, Field(ge=1, le=MOST_COUNT)]
Mib = Annotated[int, Field(ge=0, le=MOST_MIB)]
"""An amount of memory, in MiB."""
AskedMib = Annotated[int, Field(le=MOST_MIB)]
"""What is too little is refused with what there could be; what no database takes, at once."""
CardMib = Annotated[int, Field(ge=0, le=MOST_OF_A_CARD_MIB)]
"""The memory of one card, of which many are added up."""
PositiveMib = Annotated[int, Field(ge=1, le=MOST_MIB)]
Bytes = Annotated[int, Field(ge=0, le=MOST_EXACT)]
Millijoules = Annotated[int, Field(ge=0, le=MOST_EXACT)]
Celsius = Annotated[int, Field(ge=LEAST_CELSIUS, le=MOST_CELSIUS)]
"""A temperature of a card, in degrees Celsius."""
Milliseconds = Annotated[int, Field(ge=0, le=MOST_EXACT)]
MilliGpu = Annotated[int, Field(ge=0, le=MOST_COUNT)]
"""A compute share: 1000 is a whole GPU."""
Seconds = Annotated[float, Field(ge=0, le=MOST_S, allow_inf_nan=False)]
Hours = Annotated[float, Field(ge=0, le=1e18, allow_inf_nan=False)]
CardCount = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]
"""GPUs, as quotas count them: a slice is the larger of its parts of memory and compute."""
Percent = Annotated[int, Field(ge=0, le=100)]
Pid = Annotated[int, Field(ge=0, le=_MOST_PID)]
RunningPid = Annotated[int, Field(ge=1, le=_MOST_PID)]
"""The pid of a process that can be seen from here: 0 stands for those that cannot."""
Uid = Annotated[int, Field(ge=0, le=_MOST_UID)]
"""The number of an account, or of a group."""
Sequence = Annotated[int, Field(ge=-1, le=MOST_EXACT)]
"""A number that grows; -1 stands for none yet."""
SentSequence = Annotated[int, Field(ge=0, le=MOST_EXACT)]
"""The number of something that was sent, which grows."""
Number = Annotated[int, Field(ge=-MOST_EXACT, le=MOST_EXACT)]
"""A number of any meaning."""
ToldNumber = Annotated[
    int,
    BeforeValidator(
        lambda told: max(-MOST_EXACT, min(MOST_EXACT, told)) if isinstance(told, int) else told
    ),
    Field(ge=-MOST_EXACT, le=MOST_EXACT),
]
"""A number that a part tells, of whatever was asked for: the nearest that a page can hold."""

_WRITTEN_NUL: Final = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
"""A NUL in a text of JSON: a backslash before it that is none's own."""

__all__ = [
    "CONTROLS",
    "AnswerModel",
    "AskedMib",
    "AwareDatetime",
    "BoundedBy",
    "Bytes",
    "CardCount",
    "CardMib",
    "Celsius",
    "Count",
    "Hours",
    "LongText",
    "LongWords",
    "Mib",
    "MilliGpu",
    "Millijoules",
    "Milliseconds",
    "Name",
    "Number",
    "PathText",
    "Percent",
    "Pid",
    "PlainReason",
    "PositiveCount",
    "PositiveMib",
    "Reason",
    "RunningPid",
    "Seconds",
    "SentSequence",
    "Sequence",
    "Text",
    "ToldNumber",
    "Uid",
    "UnitGroup",
    "WireModel",
    "Words",
    "read_request",
]


class WireModel(BaseModel):
    """Frozen, and strict about what it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class HubModel(WireModel):
    """What the hub's spawner tells the service: a spawner may be newer, and say more than is known.

    What an older service does not know is left out. So a field may be added only where passing it
    over harms nobody; what must not be passed over needs a route, or a value, of its own. What says
    how owners' processes run is strict for that reason.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)


Request = TypeVar("Request", bound=WireModel)


def read_request(model: type[Request], body: bytes) -> Request:
    """Return a request's body, where nothing passes for what it is not: ``true`` for no number.

    ``ValidationError``, or another ``ValueError`` for a NUL, which not every database takes.
    """
    read = model.model_validate_json(body or b"{}", strict=True)
    if _WRITTEN_NUL.search(body):
        message = "the body: it has the character NUL in a text, which cannot be stored"
        raise ValueError(message)
    return read


class AnswerModel(WireModel):
    """What a part of Sublet tells another: the teller may be newer, and say more than is known."""

    model_config = ConfigDict(extra="ignore", frozen=True)
