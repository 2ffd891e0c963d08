"""Which policies can be simulated, by their names: ours, and those that stand beside it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Protocol

from sublet_quota.closed_loop.baselines.first_come import FirstCome
from sublet_quota.closed_loop.clock import Clock
from sublet_quota.closed_loop.cluster import Cluster, Scenario
from sublet_quota.closed_loop.record.records import Record
from sublet_quota.document.values import read_positive_duration, write_duration
from sublet_quota.errors import SubletQuotaError

STATIC = "static"
CULL = "cull"
ABOUT_STATIC: Final = (
    "whoever has a piece of a card keeps it until they leave, first come, first served; nothing is "
    "lent, and no state is lost"
)
ABOUT_CULL: Final = (
    "as static, but a server that is idle for so long is ended with all its variables; what its "
    "owner must run again is counted, and not run"
)


class Simulated(Protocol):
    """A simulation under way."""

    clock: Clock

    def step(self) -> bool:
        """Let the next thing happen; return whether there was one before the end."""

    def finish(self) -> Record:
        """Return what happened, after the last step."""


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy beside ours: first come, first served."""

    name: str
    about: str
    """What it is, and gives up, in a sentence."""
    cull_after: timedelta | None = None

    def begin(self, scenario: Scenario) -> Simulated:
        """Return the simulation of a scenario, before its first step."""
        return FirstCome(scenario, self.cull_after)


def policy_of(text: str) -> Policy:
    """Return the policy that ``static`` or ``cull:30m`` names. ``SubletQuotaError``."""
    name, _, after = text.strip().partition(":")
    if name == STATIC and not after:
        return Policy(STATIC, ABOUT_STATIC)
    if name == CULL and after:
        try:
            cull_after = read_positive_duration(after)
        except ValueError as error:
            message = f"{text!r}: {after!r} {error}"
            raise SubletQuotaError(message) from error
        return Policy(f"{CULL} {write_duration(cull_after)}", ABOUT_CULL, cull_after)
    message = f"{text!r} is no policy: write {STATIC}, or {CULL}:30m with a time"
    raise SubletQuotaError(message)


def run_to_the_end(simulated: Simulated, passed: Callable[[datetime], None]) -> Record:
    """Let all happen until the end, and return what did. ``passed`` is told how far it is."""
    while simulated.step():
        passed(simulated.clock.now)
    return simulated.finish()


def ours(scenario: Scenario) -> Simulated:
    """Return the simulation of the product's own decisions, before its first step."""
    return Cluster(scenario)
