"""What the probe answers: a record a question, its verdict one of a closed set."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final


class Verdict(StrEnum):
    """What came of a question. What it means for Sublet stands in ``tests/gpu/README.md``."""

    WORKS = "works"
    """Answered, and everything is as it was: state, bytes, neighbours."""
    REFUSED = "refused"
    """Answered with an error, and everything is as it was."""
    HUNG = "hung"
    """No answer within the time for it."""
    DAMAGED = "damaged"
    """A process, its bytes or its state are not what they were: somebody's work would be lost."""
    MEASURED = "measured"
    """A figure, which is neither good nor bad by itself."""
    NOT_HERE = "not-here"
    """It cannot be asked on this machine; what was seen says why."""
    BROKEN = "broken"
    """The probe itself did not get to its question."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A verdict, and what was seen."""

    verdict: Verdict
    seen: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Question:
    """Something that is open about driver and card."""

    name: str
    done: str
    """What is done, in words."""
    ask: Callable[[Any], Answer]
    limit_s: float
    changes_settings: bool = False
    """Whether settings of the card are changed, where that is allowed. The probe puts them back."""


QUESTIONS: Final[dict[str, Question]] = {}
"""All questions, in the order in which they are asked: from harmless to harmful."""


def question(
    name: str, done: str, limit_s: float = 60.0, *, changes_settings: bool = False
) -> Callable[[Callable[[Any], Answer]], Callable[[Any], Answer]]:
    """Enter a function as a question."""

    def enter(ask: Callable[[Any], Answer]) -> Callable[[Any], Answer]:
        QUESTIONS[name] = Question(name, done, ask, limit_s, changes_settings)
        return ask

    return enter


def not_here(why: str) -> Answer:
    """Return that a question cannot be asked on this machine."""
    return Answer(Verdict.NOT_HERE, {"why": why})
