"""Values as they are written in Python, read by Python itself; nothing is run.

A page writes values as JSON, by way of its own numbers: what would be another value in the job is
told, and not sent.
"""

import ast
import threading
import warnings
from typing import Any, Final

from sublet_quota.wire.job_size import MOST_PARAMETER_BYTES
from sublet_quota.wire.notebook_server import LiteralProblem, LiteralReading

_MOST_DEPTH: Final = 100
"""The depth of a value: readers of JSON end at 200, and the request is around it."""
_MOST_EXACT: Final = 2**53 - 1
_WRITTEN_OUT_BELOW: Final = 1e21
"""The bound below which a page writes whole numbers with neither point nor exponent."""
_silence: Final = threading.Lock()
"""Held while warnings are off: which are shown is the whole process's, for one thread at a time to
change.
"""


def read_literal(text: str) -> LiteralReading:
    """Return what stands in a text, bounded in time and room: the text may be anybody's."""
    if len(text.encode("utf-8", "surrogatepass")) > MOST_PARAMETER_BYTES:
        return LiteralReading(type=None, problem=LiteralProblem.TOO_LARGE)
    try:
        # Python warns of each odd escape and number: a text could fill the server's log.
        with _silence, warnings.catch_warnings(action="ignore"):
            value = ast.literal_eval(text.strip())
    except (MemoryError, RecursionError):
        return LiteralReading(type=None, problem=LiteralProblem.TOO_LARGE)
    except (SyntaxError, ValueError, TypeError):
        return LiteralReading(type=None, problem=LiteralProblem.NOT_A_LITERAL)
    problem = _problem_of(value)
    is_number = isinstance(value, int | float) and problem is not LiteralProblem.INFINITE
    return LiteralReading(
        type=type(value).__name__,
        value=value if problem is None or is_number else None,
        problem=problem,
    )


def _problem_of(value: Any, depth: int = 0) -> LiteralProblem | None:
    """Return the first part of a value that would be lost, from outside to inside, or ``None``."""
    if depth > _MOST_DEPTH:
        return LiteralProblem.TOO_LARGE
    match value:
        case None | bool():
            return None
        case int():
            return _problem_of_integer(value)
        case float():
            return _problem_of_float(value)
        case str():
            return None if _is_text(value) else LiteralProblem.NOT_IN_JSON
        case tuple():
            return LiteralProblem.TUPLE
        case list():
            parts = value
        case dict():
            if not all(isinstance(key, str) for key in value):
                return LiteralProblem.KEY
            parts = [*value, *value.values()]
        case _:
            return LiteralProblem.NOT_IN_JSON
    found = (_problem_of(part, depth + 1) for part in parts)
    return next((problem for problem in found if problem is not None), None)


def _problem_of_integer(value: int) -> LiteralProblem | None:
    if abs(value) <= _MOST_EXACT:
        return None
    try:
        float(value)
    except OverflowError:
        return LiteralProblem.INFINITE
    return LiteralProblem.LARGE_INTEGER


def _problem_of_float(value: float) -> LiteralProblem | None:
    if abs(value) == float("inf"):
        return LiteralProblem.INFINITE
    if value.is_integer() and abs(value) < _WRITTEN_OUT_BELOW:
        return LiteralProblem.WHOLE_FLOAT
    return None


def _is_text(value: str) -> bool:
    """Whether all of a text can be said in JSON."""
    return not any("\ud800" <= letter <= "\udfff" for letter in value)
