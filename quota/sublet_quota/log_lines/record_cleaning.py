"""Makes a record of Python's logging fit for a log, for every part's own filter."""

from collections.abc import Callable, Iterable
from typing import Any, Final, Protocol

from sublet_quota.log_lines.line_budget import LeftOut
from sublet_quota.log_lines.log_text import clean_block, clean_line

MOST_OF_A_KIND: Final = 120
MOST_TRACEBACKS: Final = 20
"""A minute, of each logger."""
_MOST_OF_A_TEMPLATE: Final = 120


class Record(Protocol):
    """What is changed of a ``logging.LogRecord``."""

    name: str
    levelno: int
    msg: Any
    args: Any
    exc_info: Any
    exc_text: str | None
    stack_info: str | None

    def getMessage(self) -> str:  # noqa: N802 - logging's name
        """Return the message with its arguments."""


def kind_of(record: Record) -> tuple[str, int]:
    """Return which lines this one is like, and how many of them a minute takes."""
    if record.exc_info:
        return f"{record.name}, with a traceback", MOST_TRACEBACKS
    template = clean_line(template_of(record), most=_MOST_OF_A_TEMPLATE)
    return f"{record.name}: {template}", MOST_OF_A_KIND


def clean_record(
    record: Record, known: Iterable[str], format_exception: Callable[[Any], str]
) -> None:
    """Take secrets and foreign line breaks out of a record's message and traceback."""
    record.msg, record.args = clean_line(message_of(record), known), ()
    if record.exc_info and record.exc_info is not True and not record.exc_text:
        record.exc_text = format_exception(record.exc_info)
    if record.exc_text:
        record.exc_text = clean_block(record.exc_text, known)
    if record.stack_info:
        record.stack_info = clean_block(record.stack_info, known)


def message_of(record: Record) -> str:
    """Return a record's message; one whose arguments do not fit it is shown without them."""
    try:
        return record.getMessage()
    except Exception:  # noqa: BLE001 - whatever it is that tells of itself raises
        return f"{template_of(record)} (its arguments do not fit)"


def template_of(record: Record) -> str:
    """Return a record's message before its arguments are put in."""
    try:
        return str(record.msg)
    except Exception:  # noqa: BLE001 - the same
        return f"a message that cannot be shown: {type(record.msg).__name__}"


def words_of(left_out: LeftOut) -> str:
    """Return the line that stands for those that were left out."""
    return f"{left_out.count} more like this in the last minute: {left_out.kind}"
