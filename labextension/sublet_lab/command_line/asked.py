"""What a command asks of the service, made of what was typed: wrong usage where it cannot be."""

from collections.abc import Mapping
from typing import Final, TypeVar

import click
from pydantic import ValidationError
from pydantic_core import ErrorDetails
from sublet_quota.amounts.gpu_amounts import WHOLE_GPU_MILLI, parse_compute, parse_memory
from sublet_quota.errors import AmountError
from sublet_quota.wire.schema import WireModel

from sublet_lab.command_line.tables import plain

Body = TypeVar("Body", bound=WireModel)
_WORDS: Final = {
    "string_too_short": "is empty: write at least one character",
    "string_too_long": "is too long: write at most {max_length} characters",
    "greater_than_equal": "is too small: write {ge} or more",
    "less_than_equal": "is too large: write {le} or less",
}
"""The words for what is wrong and what is allowed, by pydantic's kind of error."""


def asked_for(
    kind: type[Body], typed_as: Mapping[str, str] | None = None, /, **values: object
) -> Body:
    """Return a request of ``values``; ``click.UsageError`` that names each that cannot be.

    ``typed_as`` names those that were typed otherwise than as an option of the value's own name.
    """
    try:
        return kind(**values)
    except ValidationError as error:
        told = error.errors(include_url=False, include_input=False)
        message = "; ".join(_told(each, typed_as or {}) for each in told)
        raise click.UsageError(plain(message)) from error


def memory_mib_of(text: str) -> int:
    """Return what was typed for ``--memory``, in MiB; ``click.UsageError`` for no amount."""
    try:
        return parse_memory(text)
    except AmountError as error:
        raise click.UsageError(plain(str(error))) from error


def compute_of(text: str) -> int:
    """Return what was typed for ``--compute``, in thousandths of one GPU.

    ``click.UsageError`` for what is no amount, or is more or less than a part of one.
    """
    try:
        milli = parse_compute(text)
    except AmountError as error:
        raise click.UsageError(plain(str(error))) from error
    if not 0 < milli <= WHOLE_GPU_MILLI:
        message = (
            f"--compute {plain(text)!r} is no part of one GPU: write a number above 0 and up to 1, "
            "such as 0.5, or 500m"
        )
        raise click.UsageError(message)
    return milli


def _told(error: ErrorDetails, typed_as: Mapping[str, str]) -> str:
    words = _WORDS.get(error["type"])
    what = error["msg"].removeprefix("Value error, ")
    if not error["loc"]:
        return what
    name = str(error["loc"][0])
    typed = typed_as.get(name, f"--{name}")
    return f"{typed}: {what}" if words is None else f"{typed} {words.format(**error['ctx'])}"
