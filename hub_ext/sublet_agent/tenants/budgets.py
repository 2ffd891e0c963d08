"""What one tenant may use of the agent's socket, so that it costs the others nothing (THREATS 12).

A tenant is a slice, or an account of strangers, with however many connections. Its budgets outlive
them: who connects again gets no new ones. Connecting, lines, and asking for the share have a budget
each, so that a cell at the gate does not wait behind a widget that asks too often. Whoever has used
theirs up waits; nothing is dropped. Of connections there are so many, and the next one is refused:
each may hold a line (``lines.py``) of the agent's memory.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from sublet_agent.tenants.connection import TenantProcess

_MANY: Final = 256
_RECOUNT_S: Final = 1.0
_SHARED_BY: Final = 8
"""By how much the possible connections are divided: what one tenant may have at most."""
_STRANGERS_PART: Final = 4
"""The same for all strangers together: whoever may make accounts keeps no slice's kernel out."""


@dataclass(frozen=True, slots=True)
class SocketLimits:
    """What each slice, and each account of strangers, may use of the tenants' socket."""

    connections: int = 64
    """The most connections at once; a kernel has one or two, a notebook server one."""
    connects_per_s: int = 50
    lines_per_s: int = 200
    shares_per_s: int = 50


class Budget:
    """A budget of so much a second, and what was saved up in the last; first come, first served."""

    def __init__(self, per_s: int, now: float) -> None:
        self._per_s = per_s
        self._left = float(per_s)
        self._at = now

    def spend(self, cost: int, now: float) -> float:
        """Spend a cost, and return for how many seconds to wait until it may be used."""
        self._refill(now)
        self._left -= cost
        return max(0.0, -self._left / self._per_s)

    def is_full(self, now: float) -> bool:
        """Whether the budget is as if nothing had ever been spent."""
        self._refill(now)
        return self._left >= self._per_s

    def _refill(self, now: float) -> None:
        self._left = min(float(self._per_s), self._left + (now - self._at) * self._per_s)
        self._at = now


@dataclass(slots=True, eq=False)
class Tenant:
    """A tenant of the socket, and what is left of its budgets."""

    connects: Budget
    lines: Budget
    shares: Budget
    speakers: set[TenantProcess] = field(default_factory=set)
    """The speakers of the tenant's open connections."""
    recounted_at: float = float("-inf")

    def is_as_new(self, now: float) -> bool:
        """Whether the tenant may be forgotten: no connection is open, no budget is used."""
        budgets = (self.connects, self.lines, self.shares)
        return not self.speakers and all(budget.is_full(now) for budget in budgets)

    def may_recount(self, now: float) -> bool:
        """Whether it is time to look which of the tenant's connections are another's by now."""
        if now - self.recounted_at < _RECOUNT_S:
            return False
        self.recounted_at = now
        return True


class Tenants:
    """The tenants that have spoken lately, and whose each connection is."""

    def __init__(self, limits: SocketLimits, most: int, time: Callable[[], float]) -> None:
        """``most`` connections are possible in all; ``time`` is the event loop's."""
        self._limits = limits
        self._most = most
        self._most_of_one = min(limits.connections, max(1, most // _SHARED_BY))
        self._time = time
        self._known: dict[str, Tenant] = {}
        self._placed: dict[TenantProcess, Tenant] = {}
        self._most_strangers = max(1, most // _STRANGERS_PART)
        self._strangers: set[TenantProcess] = set()
        self._tidy_at = _MANY

    def __len__(self) -> int:
        """Return how many tenants are known."""
        return len(self._known)

    def place(self, speaker: TenantProcess) -> Tenant:
        """Count a connection where its speaker belongs by now, and return that tenant."""
        tenant, before = self._of(speaker.tenant), self._placed.get(speaker)
        if before is not tenant:
            if before is not None:
                before.speakers.discard(speaker)
            tenant.speakers.add(speaker)
            self._placed[speaker] = tenant
            (self._strangers.add if speaker.is_stranger else self._strangers.discard)(speaker)
        return tenant

    def remove(self, speaker: TenantProcess) -> None:
        """Count a connection no more, which has ended."""
        self._placed.pop(speaker).speakers.discard(speaker)
        self._strangers.discard(speaker)

    def why_no_room_for(self, speaker: TenantProcess) -> str | None:
        """Return why a speaker gets no connection; connections count for whom they are of now."""
        if len(self._placed) >= self._most:
            return f"there are {self._most} connections on this node already"
        if speaker.is_stranger and len(self._strangers) >= self._most_strangers:
            return f"there are {self._most_strangers} connections of no slice on this node already"
        return self.why_too_many_of(speaker)

    def why_too_many_of(self, speaker: TenantProcess) -> str | None:
        """Return why a speaker's tenant gets no more connections than it has."""
        tenant, most = self._of(speaker.tenant), self._most_of_one
        if len(tenant.speakers) >= most and tenant.may_recount(self._time()):
            for other in tuple(tenant.speakers):
                other.slice_id()
                self.place(other)
        if len(tenant.speakers) < most:
            return None
        return f"there are {most} connections already of {speaker.tenant}: close some first"

    async def spend(self, budget: Budget, cost: int = 1) -> None:
        """Wait for one's turn, and in any case let the others have theirs."""
        await asyncio.sleep(budget.spend(cost, self._time()))

    def _of(self, name: str) -> Tenant:
        tenant = self._known.get(name)
        if tenant is None:
            self._tidy()
            now, limits = self._time(), self._limits
            tenant = self._known[name] = Tenant(
                connects=Budget(limits.connects_per_s, now),
                lines=Budget(limits.lines_per_s, now),
                shares=Budget(limits.shares_per_s, now),
            )
        return tenant

    def _tidy(self) -> None:
        if len(self._known) < self._tidy_at:
            return
        now = self._time()
        self._known = {name: t for name, t in self._known.items() if not t.is_as_new(now)}
        self._tidy_at = max(_MANY, 2 * len(self._known))
