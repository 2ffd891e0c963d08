"""Hostile tenants: each does what once stopped everybody, a bounded number of times.

Reads what to do (``Hostility``) from its input; one line of JSON says how often what was answered.
"""

import asyncio
import contextlib
import json
import resource
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator

from load_parts.asking import Connection
from load_parts.plan import Hostility

_LETTER = "\N{GRINNING FACE}"
"""Four bytes in UTF-8."""
_AT_ONCE = 4
_TAKEN_IN = 201
_LEAST_PAUSE_S = 0.005


def _a_job(number: int) -> bytes:
    """Return a job of about 240 KiB, or, every other time, of 12 KiB: one that may be taken in."""
    paths = [f"{each:03}{_LETTER * 997}" for each in range(3 if number % 2 else 62)]
    told = {"notebook": "train.ipynb", "name": f"job-{number}", "take_along": paths}
    return json.dumps(told, ensure_ascii=False).encode()


class Deeds:
    """What is done, and how it was answered."""

    def __init__(self, told: Hostility) -> None:
        self._told = told
        self._ends_s = time.monotonic() + told.seconds
        self.answers: dict[str, Counter[int]] = {}

    async def spread(self, count: int) -> AsyncIterator[int]:
        """Yield so many numbers, spread over half of the time, and none when that is over."""
        pause_s = max(_LEAST_PAUSE_S, self._told.seconds / 2 / count)
        for number in range(count):
            if time.monotonic() >= self._ends_s:
                return
            yield number
            await asyncio.sleep(pause_s)

    async def submit(self) -> None:
        """Submit large jobs and cancel them at once: they are remembered."""
        answers = self.answers["a large job"] = Counter()
        async with Connection(self._told.port) as connection:
            async for number in self.spread(self._told.misdeeds.jobs):
                token = self._told.tokens[number % len(self._told.tokens)]
                path = f"{self._told.prefix}api/jobs"
                status, body = await connection.ask("POST", path, token, _a_job(number))
                answers[status] += 1
                if status == _TAKEN_IN:
                    job = json.loads(body)["job_id"]
                    await connection.ask("POST", f"{path}/{job}/cancel", token, b"{}")

    async def list_jobs(self) -> None:
        """Ask for a thousand jobs, again and again."""
        answers = self.answers["a list of 1,000 jobs"] = Counter()
        count = int(self._told.misdeeds.lists_per_s * self._told.seconds)
        begun = iter(range(count))

        async def ask() -> None:
            async with Connection(self._told.port) as connection:
                for number in begun:
                    if time.monotonic() >= self._ends_s:
                        return
                    token = self._told.tokens[number % len(self._told.tokens)]
                    path = f"{self._told.prefix}api/jobs?limit=1000"
                    status, _ = await connection.ask("GET", path, token)
                    answers[status] += 1
                    await asyncio.sleep(_AT_ONCE / self._told.misdeeds.lists_per_s)

        await asyncio.gather(*(ask() for _ in range(_AT_ONCE)))

    async def invent_methods(self) -> None:
        """Call by methods that there are not."""
        answers = self.answers["a made-up method"] = Counter()
        async with Connection(self._told.port) as connection:
            async for number in self.spread(self._told.misdeeds.methods):
                status, _ = await connection.ask(f"M{number}", f"{self._told.prefix}api/share")
                answers[status] += 1

    async def send_bodies(self) -> None:
        """Send large bodies without a token, all but their end: they are kept meanwhile."""
        answers = self.answers["1 MiB without a token"] = Counter()
        open_ones: list[asyncio.StreamWriter] = []
        size = 2**20
        first = f"POST {self._told.prefix}api/jobs HTTP/1.1\r\nHost: 127.0.0.1"
        start = f"{first}\r\nContent-Length: {size}\r\n\r\n".encode() + b"x" * (size - 1)
        try:
            async for _ in self.spread(self._told.misdeeds.bodies):
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", self._told.port)
                    open_ones.append(writer)
                    writer.write(start)
                    async with asyncio.timeout(5):
                        await writer.drain()
                    answers[0] += 1
                except (OSError, TimeoutError):
                    answers[-1] += 1
        finally:
            for writer in open_ones:
                writer.close()

    async def hold_connections(self) -> None:
        """Open connections, and say nothing."""
        answers = self.answers["an idle connection"] = Counter()
        held: list[asyncio.StreamWriter] = []
        try:
            async for _ in self.spread(self._told.misdeeds.idle):
                try:
                    async with asyncio.timeout(5):
                        _, writer = await asyncio.open_connection("127.0.0.1", self._told.port)
                    held.append(writer)
                    answers[0] += 1
                except (OSError, TimeoutError):
                    answers[-1] += 1
            await asyncio.sleep(max(0.0, self._ends_s - time.monotonic()))
        finally:
            for writer in held:
                writer.close()

    async def guess_tokens(self) -> None:
        """Call with tokens that nobody has."""
        answers = self.answers["a false token"] = Counter()
        async with Connection(self._told.port) as connection:
            async for number in self.spread(self._told.misdeeds.tokens):
                path = f"{self._told.prefix}api/share"
                status, _ = await connection.ask("GET", path, f"made-up-token-{number:06}")
                answers[status] += 1


async def main(told: Hostility) -> None:
    """Do everything at once, until the time is over."""
    deeds = Deeds(told)
    all_of_them = (
        deeds.submit(),
        deeds.list_jobs(),
        deeds.invent_methods(),
        deeds.send_bodies(),
        deeds.hold_connections(),
        deeds.guess_tokens(),
    )
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(told.seconds):
            await asyncio.gather(*all_of_them)
    print(json.dumps({deed: dict(each) for deed, each in deeds.answers.items()}), flush=True)


if __name__ == "__main__":
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    asyncio.run(main(Hostility.of(sys.stdin.readline())))
