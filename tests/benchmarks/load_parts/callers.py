"""Many users' pages ask the service; one line of JSON says how long the answers took.

Reads what to do (``Asking``) from its input. A request's time counts from when it was due, not from
when a connection was free for it: what waits behind a slow answer has waited. Beside them the page
of health, which costs next to nothing, is asked ten times a second over a connection of its own:
how long that takes is how late the service's loop is.
"""

import asyncio
import json
import random
import sys
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field

from load_parts.asking import Connection
from load_parts.plan import KINDS, Asker, Asking, summary

_PROBE_EVERY_S = 0.1
_SEED = 12


@dataclass
class Found:
    """What came of the requests."""

    times_s: defaultdict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    statuses: Counter[int] = field(default_factory=Counter)
    lags_s: list[float] = field(default_factory=list)

    def line(self, took_s: float) -> str:
        every = [each for times in self.times_s.values() for each in times]
        return json.dumps(
            {
                "took_s": took_s,
                "all": summary(every),
                "kinds": {kind: summary(times) for kind, times in self.times_s.items()},
                "statuses": dict(self.statuses),
                "lag": summary(self.lags_s),
            }
        )


@dataclass(frozen=True, slots=True)
class Due:
    """One request, and since when it is due."""

    kind: str
    asker: Asker
    due_s: float


async def _ask_for_pages(
    asking: Asking, waiting: "asyncio.Queue[Due | None]", found: Found
) -> None:
    async with Connection(asking.port) as connection:
        while (due := await waiting.get()) is not None:
            path = KINDS[due.kind][0].replace("{slice}", due.asker.slice_id)
            status, _ = await connection.ask("GET", f"{asking.prefix}api/{path}", due.asker.token)
            found.times_s[due.kind].append(time.monotonic() - due.due_s)
            found.statuses[status] += 1


async def _make_due(asking: Asking, waiting: "asyncio.Queue[Due | None]") -> None:
    chance = random.Random(_SEED)  # noqa: S311 - the same for each run
    kinds = [kind for kind, (_, weight) in KINDS.items() for _ in range(weight)]
    askers = list(asking.askers)
    chance.shuffle(askers)
    began_s = time.monotonic()
    for number in range(asking.count):
        due_s = began_s + number / asking.rate if asking.rate else time.monotonic()
        if (ahead_s := due_s - time.monotonic()) > 0:
            await asyncio.sleep(ahead_s)
        asker = askers[number % len(askers)]
        due_s = max(due_s, began_s) if asking.rate else time.monotonic()
        await waiting.put(Due(chance.choice(kinds), asker, due_s))
    for _ in range(asking.connections):
        await waiting.put(None)


async def _probe(asking: Asking, found: Found) -> None:
    async with Connection(asking.port) as connection:
        due_s = time.monotonic()
        while True:
            due_s += _PROBE_EVERY_S
            await asyncio.sleep(max(0.0, due_s - time.monotonic()))
            began_s = min(due_s, time.monotonic())
            await connection.ask("GET", f"{asking.prefix}health")
            found.lags_s.append(time.monotonic() - began_s)
            due_s = max(due_s, time.monotonic() - _PROBE_EVERY_S)


async def main(asking: Asking) -> None:
    """Ask, and say what came of it."""
    found = Found()
    # As many as are answered: then none waits but for its connection.
    waiting: asyncio.Queue[Due | None] = asyncio.Queue(0 if asking.rate else 1)
    began_s = time.monotonic()
    probe = asyncio.create_task(_probe(asking, found))
    pages = [_ask_for_pages(asking, waiting, found) for _ in range(asking.connections)]
    await asyncio.gather(_make_due(asking, waiting), *pages)
    took_s = time.monotonic() - began_s
    probe.cancel()
    print(found.line(took_s), flush=True)


if __name__ == "__main__":
    asyncio.run(main(Asking.of(sys.stdin.readline())))
