"""How long an admin waits for the console with 5,000 cards and 10,000 users, and for its filter.

So for the tree of quotas, with as many groups as a document may have, and for who waits for whom.
The service runs in this process over SQLite, beside a hand-written hub; Chromium shows the page
that was built. Agents' reports are put where they would come in, each card's anew every five
seconds. Times are from the address to the first card painted, to all of them, and from a letter
typed to the list painted anew; beside them the longest stall of the service's loop meanwhile,
without anybody watching (the baseline) and with. Last, what the service takes for the tree and for
the document in force, agents being silent: reckoned and written all anew (the baseline), and as it
is answered, after a slice more or less and after none. Of that, processor time of the loop is told,
which others on the machine do not change.
Run it: ``PYTHONPATH=. python tests/benchmarks/console.py``.
"""

import asyncio
import logging
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Page
from sublet_hub.ledger.records import Change, GpuRecord
from sublet_hub.web.console.bundle import read_bundle
from sublet_hub.web.views.quota_tree import QuotaTrees
from sublet_quota.document.consistency.bounds import MOST_GROUPS
from sublet_quota.life_cycles.slice_states import SliceState
from sublet_quota.names.ids import GpuId, NodeId
from sublet_quota.wire.agent_link import Hello, Status

from tests.benchmarks.long_lists import watched
from tests.support.browser import chromium, new_visitor
from tests.support.fake_agent import GIB, a_gpu, a_report
from tests.support.hub_world import HubWorld, fake_hub, hub_world, settings_for
from tests.support.ledger_records import a_slice_record
from tests.support.logged_in import log_in

CARDS, A_NODE, A_CARD = 5000, 8, 2
FIRST_VIEW_GOAL_MS, FILTER_GOAL_MS = 2000, 100
ROUNDS: Final = 5
WATCHED_S: Final = 20
REPORT_EVERY_S: Final = 5
"""Real ones report each second, to a process that does nothing else: here the browser runs, too."""
OTHER_VIEWS: Final = {"quotas": "group", "waits": "found"}
"""What is painted of other views first, by their names."""
QUOTA: Final = "groups:\n" + "".join(
    f"  institute-{place}:\n    groups:\n"
    + "".join(f"      group-{place}-{below}: {{weight: 2}}\n" for below in range(1, 50))
    for place in range(MOST_GROUPS // 50)
)
_UNTIL_PAINTED: Final = """\
selector => new Promise(painted => {
  const look = () => {
    if (document.querySelector(selector) === null) {
      requestAnimationFrame(look);
    } else {
      requestAnimationFrame(() => painted(performance.now()));
    }
  };
  look();
})"""
_UNTIL_WHOLE: Final = """\
words => new Promise(done => {
  const look = () => {
    const found = document.querySelector('[data-sublet="found"]');
    if (found?.textContent.trim() === words) {
      done(performance.now());
    } else {
      requestAnimationFrame(look);
    }
  };
  look();
})"""
_FILTER_MS: Final = """\
text => new Promise(done => {
  const found = document.querySelector('[data-sublet="found"]');
  const before = found.textContent;
  const search = document.querySelector('[data-sublet="search"]');
  const began = performance.now();
  Reflect.set(HTMLInputElement.prototype, 'value', text, search);
  search.dispatchEvent(new Event('input', { bubbles: true }));
  const look = () => {
    if (found.textContent === before) {
      requestAnimationFrame(look);
    } else {
      requestAnimationFrame(() => done(performance.now() - began));
    }
  };
  look();
})"""


def cards_of(node: int) -> list[GpuRecord]:
    """The cards of one node."""
    return [
        GpuRecord(
            GpuId(f"GPU-{node:04}-{index}"),
            NodeId(f"node-{node:04}"),
            index,
            "NVIDIA H100 80GB HBM3",
            80 * GIB,
            GIB,
            simulated=True,
        )
        for index in range(A_NODE)
    ]


NODES: Final = [cards_of(node) for node in range(CARDS // A_NODE)]


def fill(world: HubWorld) -> None:
    """Put cards, and slices of as many users as there are slices, into the ledger."""
    now = datetime.now(UTC)
    gpus = [card for cards in NODES for card in cards]
    world.service.ledger.apply(Change(gpus=tuple(gpus)), now)
    slices = [
        a_slice_record(
            f"slice-{number}-{place}",
            f"user-{A_CARD * number + place}",
            card,
            memory_mib=20 * GIB,
            created_at=now,
        )
        for number, card in enumerate(gpus)
        for place in range(A_CARD)
    ]
    world.hub.servers.update({each.owner: {""} for each in slices})
    world.service.ledger.apply(Change(slices=tuple(slices)), now)


async def report(world: HubWorld) -> None:
    """Have every agent tell of its cards every few seconds: a tenth compute, others each time."""
    fleet, ledger, turn = world.service.fleet, world.service.ledger, 0
    views = [
        fleet.connected(Hello(node=cards[0].node, boot_id="b", version="0"), 1) for cards in NODES
    ]
    while True:
        began, turn = time.perf_counter(), turn + 1
        for number, (cards, view) in enumerate(zip(NODES, views, strict=True)):
            slices = [each for card in cards for each in ledger.slices_on_gpu(card.gpu_id)]
            busy = (number + turn) % 10 == 0
            status = Status(
                epoch=1,
                sequence=turn,
                at=datetime.now(UTC),
                gpus=tuple(
                    a_gpu(card.gpu_id, index=card.index, utilisation_percent=90 if busy else 0)
                    for card in cards
                ),
                slices=tuple(
                    a_report(each.slice_id, state=SliceState.RESIDENT, memory_mib=4 * GIB)
                    for each in slices
                ),
            )
            fleet.reported(view, status)
            if number % 20 == 0:
                await asyncio.sleep(0)
        await asyncio.sleep(max(0.1, REPORT_EVERY_S - (time.perf_counter() - began)))


@dataclass(frozen=True, slots=True)
class Times:
    """How long each round took, in milliseconds."""

    first: list[float]
    whole: list[float]
    filtered: list[float]
    opened: dict[str, list[float]]
    """Of the other views, by their names."""


def look(base: str, jar: Any) -> Times:
    """Open the page again and again; how long until cards, all, and until they were filtered."""
    first: list[float] = []
    whole: list[float] = []
    filtered: list[float] = []
    with chromium() as browser:
        visitor = new_visitor(browser, "root")
        visitor.context.add_cookies(
            [{"name": name, "value": each.value, "url": base} for name, each in jar.items()]
        )
        for number in range(ROUNDS):
            page: Page = visitor.page
            page.goto(base, wait_until="commit")
            first.append(page.evaluate(_UNTIL_PAINTED, '[data-sublet="card"]'))
            whole.append(page.evaluate(_UNTIL_WHOLE, f"{CARDS} of {CARDS} cards"))
            # Each time another number of cards is found, all of them at last.
            filtered.extend(page.evaluate(_FILTER_MS, text) for text in (f"user-7{number}", ""))
        opened = {
            view: [_opened(page, f"{base}view/{view}", sign) for _ in range(ROUNDS)]
            for view, sign in OTHER_VIEWS.items()
        }
        visitor.context.close()
    return Times(first, whole, filtered, opened)


def _opened(page: Page, address: str, sign: str) -> float:
    page.goto(address, wait_until="commit")
    return float(page.evaluate(_UNTIL_PAINTED, f'[data-sublet="{sign}"]'))


@dataclass(frozen=True, slots=True)
class Taken:
    """The processor time of some answers, in milliseconds."""

    all_ms: list[float]
    longest_ms: float
    """For how long the loop served nobody else at most."""


async def take(answer: Callable[[int], Awaitable[object]]) -> Taken:
    """Have something answered a few times, and add up what the loop's thread works for that."""
    all_ms: list[float] = []
    longest_ms = 0.0

    async def look() -> None:
        nonlocal longest_ms
        while True:
            began = time.thread_time()
            await asyncio.sleep(0.002)
            longest_ms = max(longest_ms, 1000 * (time.thread_time() - began))

    looking = asyncio.create_task(look())
    for number in range(ROUNDS):
        began = time.thread_time()
        await answer(number)
        all_ms.append(1000 * (time.thread_time() - began))
        # What held the loop up is seen at its next turn.
        await asyncio.sleep(0.01)
    looking.cancel()
    return Taken(all_ms, longest_ms)


async def take_all(world: HubWorld) -> dict[str, Taken]:
    """Have the tree and the document told all anew, and as they are answered."""
    service, now = world.service, datetime.now(UTC)
    document = service.quota.document

    async def nothing(_: int) -> None:
        await asyncio.sleep(1)

    async def all_anew(_: int) -> None:
        await QuotaTrees(service, service.budgets).whole(None)

    async def after_a_change(number: int) -> None:
        slice_ = service.ledger.slices[f"slice-{number}-0"]
        service.ledger.apply(Change(slices=(replace(slice_, memory_mib=GIB),)), now)
        await service.quota_views.trees.whole(None)

    async def after_none(_: int) -> None:
        await service.quota_views.trees.whole(None)

    async def written_anew(_: int) -> None:
        document.model_dump(mode="json", by_alias=True)
        await service.quota_views.in_force()

    async def written_once(_: int) -> None:
        await service.quota_views.in_force()

    return {
        "a second, nothing is asked": await take(nothing),
        "tree, all anew (baseline)": await take(all_anew),
        "tree, a slice is another": await take(after_a_change),
        "tree, nothing is another": await take(after_none),
        "document, anew (baseline)": await take(written_anew),
        "document, written once": await take(written_once),
    }


async def main() -> None:
    """Print all figures beside their goals."""
    bundle = read_bundle()
    assert bundle is not None, "build the console first: make setup"
    with tempfile.TemporaryDirectory(prefix="sublet-console-") as name:
        folder = Path(name)
        calm = {"hub_check_period": timedelta(hours=1), "missing_for": timedelta(hours=1)}
        (folder / "quota.yaml").write_text(QUOTA)
        settings = settings_for(folder, quota_file=folder / "quota.yaml", **calm)
        async with fake_hub() as hub, hub_world(folder, hub, settings, console=bundle) as world:
            fill(world)
            logging.getLogger("sublet_hub").setLevel(logging.ERROR)
            reporting = asyncio.create_task(report(world))
            jar = await log_in(world, world.admin())
            alone, beside = [0.0], [0.0]
            async with watched(alone):
                await asyncio.sleep(WATCHED_S)
            async with watched(beside):
                times = await asyncio.to_thread(look, world.base, jar)
            reporting.cancel()
            taken = await take_all(world)
    print(f"{CARDS} cards, {CARDS * A_CARD} users, one slice each; {MOST_GROUPS} groups")
    for what, took_ms, goal in (
        ("first view", times.first, FIRST_VIEW_GOAL_MS),
        ("all cards", times.whole, None),
        ("filter", times.filtered, FILTER_GOAL_MS),
        *((f"view {view}", each, FIRST_VIEW_GOAL_MS) for view, each in times.opened.items()),
    ):
        print(
            f"{what:12} median {statistics.median(took_ms):7.0f} ms, slowest "
            f"{max(took_ms):7.0f} ms of {len(took_ms)}"
            f"{'' if goal is None else f'; at most {goal} ms'}"
        )
    print(
        f"longest stall of the loop: nobody watches {alone[0]:.0f} ms, one does {beside[0]:.0f} ms"
    )
    for what, each in taken.items():
        print(
            f"{what:26} median {statistics.median(each.all_ms):5.0f} ms of the loop's processor, "
            f"at most {each.longest_ms:4.0f} ms at a stretch"
        )


if __name__ == "__main__":
    asyncio.run(main())
