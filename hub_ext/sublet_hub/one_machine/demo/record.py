"""The record of the demo: what happened, with times, and everything that was lost or wrong."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the story."""

    at_s: float
    act: int
    text: str


@dataclass(frozen=True, slots=True)
class GiveBack:
    """One time that an owner got their GPU back."""

    owner: str
    at_s: float
    training_was: str
    """The state of the training, and what became of it: ``paused`` or ``suspended``."""
    wait_s: float
    """The time from ``execute_request`` to the first GPU call's return."""
    training_stopped_after_s: float | None
    """The time from ``execute_request`` to "training is paused", by the agent's clock."""
    moved_mib: int


@dataclass(slots=True)
class Record:
    """The demo's own account. ``began`` is its zero of time."""

    say: Callable[[str], None]
    began: datetime = field(default_factory=lambda: datetime.now(UTC))
    began_monotonic: float = field(default_factory=time.monotonic)
    act: int = 0
    lines: list[Line] = field(default_factory=list)
    give_backs: list[GiveBack] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    samples: list[dict[str, Any]] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    def seconds(self, at: datetime | None = None) -> float:
        """Return the seconds from the demo's beginning to ``at``, or to now."""
        if at is None:
            return time.monotonic() - self.began_monotonic
        return (at - self.began).total_seconds()

    def begin(self, act: int, title: str) -> None:
        """Begin an act of the story."""
        self.act = act
        self.say("")
        self.tell(f"{act}. {title}")

    def tell(self, text: str) -> None:
        """Add a line to the story, and say it."""
        line = Line(round(self.seconds(), 3), self.act, text)
        self.lines.append(line)
        self.say(f"{line.at_s:8.2f} s  {text}")

    def expect(self, held: bool, otherwise: str) -> None:  # noqa: FBT001 - reads as an assertion
        """Note what is lost or wrong where ``held`` is false."""
        if not held:
            self.wrong.append(otherwise)
            self.tell(f"LOST OR WRONG: {otherwise}")

    def as_json(self) -> dict[str, Any]:
        """Return the whole record."""
        return {
            "began": self.began.isoformat(),
            "facts": self.facts,
            "story": [asdict(line) for line in self.lines],
            "give_backs": [asdict(each) for each in self.give_backs],
            "samples": self.samples,
            "wrong": self.wrong,
        }
