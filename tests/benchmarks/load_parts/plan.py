"""What is asked of the service in one measurement, and by whom."""

import json
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Self

KINDS: Final = {
    "share": ("share", 45),
    "jobs": ("jobs", 35),
    "history": ("slices/{slice}/history", 15),
    "events": ("events?limit=50", 5),
}
"""What pages ask for, and how many of a hundred requests ask for it: an open panel asks for share
and jobs every five seconds, for its history every ten; what happened is asked for by commands."""


@dataclass(frozen=True, slots=True)
class Asker:
    """One user: the token of their notebook server, and its slice."""

    token: str
    slice_id: str


@dataclass(frozen=True, slots=True)
class Asking:
    """What the program that asks is told."""

    port: int
    prefix: str
    askers: tuple[Asker, ...]
    rate: float
    """Requests a second that are begun, whether or not those before were answered; 0: as many as
    are answered."""
    count: int
    connections: int

    @property
    def text(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def of(cls, text: str) -> Self:
        told = json.loads(text)
        askers = tuple(Asker(**each) for each in told.pop("askers"))
        return cls(askers=askers, **told)


@dataclass(frozen=True, slots=True)
class Misdeeds:
    """What hostile tenants do, all of them together; each count is a bound."""

    jobs: int = 120
    """That name as many paths of 1,000 characters of four bytes as a request may have, or three,
    and are cancelled."""
    lists_per_s: float = 20
    """Of a thousand jobs."""
    methods: int = 1500
    """That HTTP does not have, without a token."""
    bodies: int = 200
    """Of 1 MiB, without a token."""
    idle: int = 1060
    """Connections over which nothing comes."""
    tokens: int = 362
    """That nobody was given."""

    def part(self, share: float) -> "Misdeeds":
        """The same with a part of everything."""

        def some(count: int) -> int:
            return max(1, round(count * share))

        return replace(
            self,
            jobs=some(self.jobs),
            lists_per_s=max(1.0, self.lists_per_s * share),
            methods=some(self.methods),
            bodies=some(self.bodies),
            idle=some(self.idle),
            tokens=some(self.tokens),
        )


@dataclass(frozen=True, slots=True)
class Hostility:
    """What the program of the hostile tenants is told."""

    port: int
    prefix: str
    tokens: tuple[str, ...]
    misdeeds: Misdeeds
    seconds: float

    @property
    def text(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def of(cls, text: str) -> Self:
        told = json.loads(text)
        misdeeds = Misdeeds(**told.pop("misdeeds"))
        return cls(misdeeds=misdeeds, tokens=tuple(told.pop("tokens")), **told)


def summary(times_s: list[float]) -> dict[str, Any]:
    """Return what is said of many times, in milliseconds."""
    ordered = sorted(times_s)
    if not ordered:
        return {"count": 0}

    def at(part: float) -> float:
        return 1000 * ordered[int((len(ordered) - 1) * part)]

    return {
        "count": len(ordered),
        "p50": at(0.5),
        "p95": at(0.95),
        "p99": at(0.99),
        "worst": at(1.0),
    }
