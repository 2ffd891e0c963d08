"""Which policies can be simulated, by their names: ours, and those that stand beside it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final, Protocol

from sublet_quota.closed_loop.baselines.batch import Batch
from sublet_quota.closed_loop.baselines.bound_by_cell import BoundByCell
from sublet_quota.closed_loop.baselines.first_come import FirstCome
from sublet_quota.closed_loop.clock import Clock
from sublet_quota.closed_loop.cluster import Cluster, Scenario
from sublet_quota.closed_loop.record.records import Record
from sublet_quota.document.values import read_positive_duration, write_duration
from sublet_quota.errors import SubletQuotaError


class Simulated(Protocol):
    """A simulation under way."""

    clock: Clock

    def step(self) -> bool:
        """Let the next thing happen; return whether there was one before the end."""

    def finish(self) -> Record:
        """Return what happened, after the last step."""


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy beside ours."""

    name: str
    about: str
    """What it is, and gives up, in a sentence."""
    begin: Callable[[Scenario], Simulated]
    """Gives the simulation of a scenario, before its first step."""


STATIC: Final = Policy(
    "static",
    "whoever has a piece of a card keeps it until they leave, first come, first served, with jobs "
    "apart; nothing is lent, and no state is lost",
    FirstCome,
)
FCFS: Final = Policy(
    "fcfs",
    "one line for notebooks and jobs, first come, first served: each waits for all it asks for, "
    "nobody is let by, and has it until the end; no state is lost",
    Batch,
)
NOTEBOOKOS: Final = Policy(
    "notebookos",
    "like NotebookOS, a notebook has a card only while a cell runs; jobs keep theirs. It gives up "
    "all state that does not pickle (memory of the GPU, processes, open files), and loading the "
    "rest is taken to cost no time",
    BoundByCell,
)
ABOUT_CULL: Final = (
    "as static, but a server that is idle for so long is ended with all its variables; what its "
    "owner must run again is counted, and not run"
)
ABOUT_REPLAY: Final = (
    "as cull, and who comes back runs all earlier cells again before the next: hours are used "
    "twice, and what is drawn or read anew comes out otherwise"
)
_NAMED: Final[Mapping[str, Policy]] = {each.name: each for each in (STATIC, FCFS, NOTEBOOKOS)}
_TIMED: Final[Mapping[str, tuple[str, bool]]] = {
    "cull": (ABOUT_CULL, False),
    "replay": (ABOUT_REPLAY, True),
}
"""Those with a time, by whether earlier cells are run again."""


def policy_of(text: str) -> Policy:
    """Return the policy that ``static`` or ``cull:30m`` names. ``SubletQuotaError``."""
    name, _, after = text.strip().partition(":")
    if name in _NAMED and not after:
        return _NAMED[name]
    if name in _TIMED and after:
        try:
            cull_after = read_positive_duration(after)
        except ValueError as error:
            message = f"{text!r}: {after!r} {error}"
            raise SubletQuotaError(message) from error
        about, replays = _TIMED[name]
        begin = partial(FirstCome, cull_after=cull_after, replays=replays)
        return Policy(f"{name} {write_duration(cull_after)}", about, begin)
    message = (
        f"{text!r} is no policy: write {', '.join(_NAMED)}, or with a time cull:30m, replay:30m"
    )
    raise SubletQuotaError(message)


def run_to_the_end(simulated: Simulated, passed: Callable[[datetime], None]) -> Record:
    """Let all happen until the end, and return what did. ``passed`` is told how far it is."""
    while simulated.step():
        passed(simulated.clock.now)
    return simulated.finish()


def ours(scenario: Scenario) -> Simulated:
    """Return the simulation of the product's own decisions, before its first step."""
    return Cluster(scenario)
