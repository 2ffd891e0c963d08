"""What is asked of the driver helper, and answered: one line of JSON each."""

import time
from enum import StrEnum
from typing import Final, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

MOST_BYTES: Final = 64 * 1024
"""The longest line that either side takes."""


def now_s() -> float:
    """Return the seconds since the machine's boot, its sleep included: one clock for all."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Operation(StrEnum):
    """A call of the driver's checkpoint API for another process."""

    STATE = "state"
    LOCK = "lock"
    CHECKPOINT = "checkpoint"
    RESTORE = "restore"
    UNLOCK = "unlock"


class Outcome(StrEnum):
    """The way in which a call ended."""

    DONE = "done"
    FAILED = "failed"
    """The driver refused; ``code`` is its ``CUresult``."""
    STANDS_STILL = "stands still"
    """The target is stopped or frozen: the driver was not called, which would wait for ever."""
    GONE = "gone"
    """The target has ended, or its pid is another process's now: the driver was not called."""
    NO_ANSWER = "no answer"
    """The time is over. The call may still be under way, or was not begun and will not be."""
    WORKER_DIED = "worker died"
    """The process that made the call ended in the middle: only the driver knows how far it got."""


class _Message(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")

    def line(self) -> bytes:
        """Return the message as a line."""
        return self.model_dump_json().encode() + b"\n"


class DriverRequest(_Message):
    """One call, for one target."""

    operation: Operation
    pid: int = Field(ge=1)
    start_ticks: int = Field(ge=0)
    """When the target began, in clock ticks since the boot: a pid may change hands."""
    within_s: float = Field(gt=0)
    """How long to wait for the answer, the end of an earlier call for the same target included."""
    timeout_ms: int = Field(default=0, ge=0)
    """For a lock: how long submitted work may take to drain, 1 or more."""
    lease_s: float | None = Field(default=None, gt=0)
    """For a lock: it is undone after so long, unless something else was asked of the target by
    then; ``None``: it stays. Who asked may be gone with everybody who would undo it.
    """
    mapping: dict[str, str] = {}
    """For a restore: where each card's memory goes, by the UUIDs of all cards; empty: as it was."""
    until_s: float | None = None
    """When who asks goes on without an answer, by the clock of ``now_s``: it is not begun later."""

    @property
    def is_over(self) -> bool:
        """Whether who asked has gone on without an answer."""
        return self.until_s is not None and now_s() >= self.until_s

    @model_validator(mode="after")
    def _locks_end(self) -> Self:
        if self.operation is Operation.LOCK and self.timeout_ms < 1:
            message = "a lock without a time-out would wait for ever"
            raise ValueError(message)
        return self


class DriverAnswer(_Message):
    """The answer to one call."""

    outcome: Outcome
    code: int = 0
    detail: str = ""
    state: int | None = None
    """For ``STATE``: the driver's number of the target's state."""


NOT_BEGUN: Final = DriverAnswer(
    outcome=Outcome.NO_ANSWER, detail="nobody waits for it any more: it was not begun"
)
"""The answer to a call that would have begun after its time."""
