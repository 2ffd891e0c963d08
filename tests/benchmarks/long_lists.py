"""How long everybody waits, and what the service takes, while one owner asks for long lists.

The service runs in this process over SQLite, with 120 ended jobs of the owner's, and another
process asks 20 times a second for all of them. Beside jobs as large as one may be there are jobs
50 times as large, which older releases took. The baseline in the same run asks as often for a short
answer. Run it: ``PYTHONPATH=. python tests/benchmarks/long_lists.py``.
"""

import asyncio
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sublet_hub.ledger.records import Change
from sublet_quota.life_cycles.job_states import JobState
from tornado.httpclient import HTTPRequest
from tornado.simple_httpclient import SimpleAsyncHTTPClient

from tests.support.hub_world import HubWorld, fake_hub, hub_world, settings_for
from tests.support.ledger_records import a_job_record

GOAL_MS = 1000
"""Agents tell of themselves once a second."""
JOBS = 120
ASKED, A_SECOND = 200, 20
PATIENCE_S = 60


@dataclass(frozen=True)
class Scene:
    """What is asked for, and how many paths of 4 kB each of the owner's jobs takes along."""

    name: str
    path: str
    paths: int


SCENES = (
    Scene("short answers (baseline)", "lending", 4),
    Scene("jobs of 16 KiB", "jobs?limit=1000", 4),
    Scene("jobs of 800 KiB", "jobs?limit=1000", 200),
)


async def ask(url: str, token: str) -> None:
    """Ask as often as an owner may, whether or not there were answers; print their statuses."""
    client = SimpleAsyncHTTPClient(force_instance=True, max_clients=ASKED, max_body_size=2**30)
    headers = {"Authorization": f"Bearer {token}"}

    async def one(after_s: float) -> int:
        await asyncio.sleep(after_s)
        request = HTTPRequest(url, headers=headers, request_timeout=PATIENCE_S)
        return (await client.fetch(request, raise_error=False)).code

    statuses = await asyncio.gather(*(one(number / A_SECOND) for number in range(ASKED)))
    print(", ".join(f"{count} x {code}" for code, count in sorted(Counter(statuses).items())))


@asynccontextmanager
async def watched(longest_ms: list[float]) -> AsyncIterator[None]:
    """Note the longest time for which the loop served nobody."""

    async def look() -> None:
        while True:
            began = time.perf_counter()
            await asyncio.sleep(0.005)
            longest_ms[0] = max(longest_ms[0], 1000 * (time.perf_counter() - began) - 5)

    looking = asyncio.create_task(look())
    yield
    looking.cancel()


def memory_mib() -> int:
    """Return what this process holds in memory."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) // 1024


async def store_jobs(world: HubWorld, scene: Scene) -> None:
    """Put the owner's jobs into the ledger."""
    now = datetime.now(UTC)
    paths = tuple("\N{SNAKE}" * 995 + f"{number:04}" for number in range(scene.paths))
    for number in range(JOBS):
        at = now + timedelta(seconds=number)
        facts = {"state": JobState.DONE, "submitted_at": at, "ended_at": now, "take_along": paths}
        world.service.ledger.apply(Change(jobs=(a_job_record(f"j{number}", "eve", **facts),)), now)
        await asyncio.sleep(0)


async def play(scene: Scene) -> float:
    """Print what a scene came to; return the longest stall in milliseconds."""
    longest_ms = [0.0]
    with tempfile.TemporaryDirectory(prefix="sublet-long-lists-") as folder:
        async with (
            fake_hub() as hub,
            hub_world(Path(folder), hub, settings_for(Path(folder))) as world,
        ):
            await store_jobs(world, scene)
            before, most = memory_mib(), 0
            async with watched(longest_ms):
                url = f"{world.base}api/{scene.path}"
                asking = await asyncio.create_subprocess_exec(
                    sys.executable, __file__, url, world.user("eve"), stdout=asyncio.subprocess.PIPE
                )
                ended = asyncio.create_task(asking.communicate())
                while not ended.done():
                    most = max(most, memory_mib())
                    await asyncio.sleep(0.05)
            told, _ = await ended
    print(
        f"{scene.name:26} longest stall {longest_ms[0]:7.1f} ms, {most - before:4} MiB more, "
        f"answers: {told.decode().strip()}",
        flush=True,
    )
    return longest_ms[0]


async def main() -> int:
    """Play all scenes; 1 where the loop stalled for longer than the goal."""
    found = [await play(scene) for scene in SCENES]
    return int(max(found) > GOAL_MS)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        asyncio.run(ask(*sys.argv[1:]))
    else:
        sys.exit(asyncio.run(main()))
