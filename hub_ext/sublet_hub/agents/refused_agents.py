"""How many connections of agents were refused lately, by their reasons.

Whoever reaches the service can be counted here: only what else is wrong with agents is explained by
it, and nothing decided.
"""

from collections import Counter, deque
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Final

from sublet_quota.reasons.installation.standings import AgentRefusal

_LATELY: Final = timedelta(minutes=2)
_STEP: Final = timedelta(seconds=10)


class RefusedAgents:
    """Counts of refusals, in steps of ten seconds, of the last two minutes."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._steps: deque[tuple[datetime, Counter[AgentRefusal]]] = deque()

    def count(self, why: AgentRefusal) -> None:
        """Count a refusal."""
        now = self._now()
        self._forget(now)
        if not self._steps or now - self._steps[-1][0] >= _STEP:
            self._steps.append((now, Counter()))
        self._steps[-1][1][why] += 1

    def lately(self) -> Mapping[AgentRefusal, int]:
        """Return how often each reason was given in the last two minutes."""
        self._forget(self._now())
        return sum((counter for _, counter in self._steps), Counter())

    def _forget(self, now: datetime) -> None:
        while self._steps and now - self._steps[0][0] > _LATELY:
            self._steps.popleft()
