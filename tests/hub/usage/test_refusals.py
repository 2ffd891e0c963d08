"""Refused requests for slices and jobs are kept for admins and for whoever was refused."""

import asyncio
import csv
import io
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sublet_hub.ledger.database import LedgerWriteError
from sublet_hub.ledger.refusals import RefusalRecord
from sublet_hub.usage import refusals as module
from sublet_hub.usage.refusals import AskedFor, Refusals
from sublet_quota.reasons.refusal import Refusal, RefusalReason
from sublet_quota.residency.snapshot import Holder

from tests.support.fake_agent import GIB
from tests.support.hub_world import FakeHub, HubWorld, hub_world

pytestmark = pytest.mark.asyncio
NOW = datetime(2026, 11, 24, 9, 30, tzinfo=UTC)


async def refuse(world: HubWorld, owner: str, **wish: Any) -> dict[str, Any]:
    body = {"owner": owner, "account": world.account(owner), **wish}
    status, problem = await world.hub_call("POST", "slices", body)
    assert 400 <= status < 500, problem
    return dict(problem)


async def listed(world: HubWorld, token: str, query: str = "") -> list[dict[str, Any]]:
    status, found = await world.call("GET", f"refusals{query}", token)
    assert status == 200, found
    return list(found)


async def test_a_refused_slice_is_told_with_what_was_asked_for_and_why(world: HubWorld) -> None:
    await world.agent()
    wish = {"memory_mib": 900 * GIB, "compute_milli": 100, "groups": ["lab"]}
    problem = await refuse(world, "ada", **wish)
    for _ in range(2):
        await refuse(world, "ada", **wish)
    (found,) = await listed(world, world.user("ada"))
    assert (found["owner"], found["holder"], found["times"]) == ("ada", "notebook", 3)
    assert (found["memory_mib"], found["compute_milli"]) == (900 * GIB, 100)
    assert (found["size"], found["groups"]) == (None, ["lab"])
    assert (found["code"], found["message"]) == (problem["reason"], problem["message"])
    assert found["numbers"] == problem["numbers"]
    assert found["first_at"] <= found["last_at"]


async def test_refused_jobs_are_told_and_what_merely_looks_is_not(world: HubWorld) -> None:
    await world.agent()
    ada = world.user("ada")
    body = {"notebook": "nowhere.ipynb", "gpus": 2, "memory_mib": 1024}
    assert (await world.call("POST", "jobs/forecast", ada, body))[0] < 500
    await world.hub_call("GET", "offers?owner=ada")
    assert await listed(world, ada) == []
    status, problem = await world.call("POST", "jobs", ada, body)
    assert 400 <= status < 500
    (found,) = await listed(world, ada)
    assert (found["holder"], found["code"]) == ("job", problem["reason"])
    assert (found["gpus"], found["memory_mib"]) == (2, 1024)


async def test_a_refused_resize_is_told(world: HubWorld) -> None:
    await world.agent()
    lease = await world.slice_for("ada", size="small")
    ada = world.user("ada")
    path = f"slices/{lease['slice_id']}/resize"
    assert (await world.call("POST", path, ada, {"memory_mib": 900 * GIB}))[0] >= 400
    (found,) = await listed(world, ada)
    assert (found["holder"], found["memory_mib"]) == ("notebook", 900 * GIB)


async def test_users_see_their_own_refusals_alone_and_admins_all(world: HubWorld) -> None:
    await world.agent()
    await refuse(world, "ada", size="no-such")
    await refuse(world, "bob", memory_mib=900 * GIB, compute_milli=1)
    bob, admin = world.user("bob"), world.admin()
    assert [each["owner"] for each in await listed(world, bob)] == ["bob"]
    assert [each["owner"] for each in await listed(world, admin)] == ["bob", "ada"]
    assert [each["owner"] for each in await listed(world, admin, "?owner=ada")] == ["ada"]
    _, sums = await world.call("GET", "refusals/sums", admin)
    assert {each["code"]: (each["times"], each["owners"]) for each in sums}["unknown-size"] == (
        1,
        1,
    )
    _, own = await world.call("GET", "refusals/sums", bob)
    assert [each["code"] for each in own] == ["larger-than-gpu"]
    for path in ("refusals?owner=ada", "refusals/sums?owner=ada"):
        assert (await world.call("GET", path, bob))[0] == 403
    status, problem = await world.call("GET", "refusals?code=no-such", admin)
    assert (status, "no-room" in problem["message"]) == (400, True)


async def test_sums_of_refusals_are_had_as_a_table(world: HubWorld) -> None:
    await world.agent()
    for _ in range(2):
        await refuse(world, "ada", size="no-such")
    await refuse(world, "bob", memory_mib=900 * GIB, compute_milli=1)
    answer = await world.raw("GET", "api/refusals/sums?format=csv", world.admin())
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    told = list(csv.DictReader(io.StringIO(answer.body.decode())))
    assert [(row["code"], row["times"], row["owners"]) for row in told] == [
        ("unknown-size", "2", "1"),
        ("larger-than-gpu", "1", "1"),
    ]
    assert datetime.fromisoformat(told[0]["last_at"]).tzinfo is not None
    own = await world.raw("GET", "api/refusals/sums?format=csv", world.user("bob"))
    assert own.body.decode().splitlines()[1].startswith("larger-than-gpu,1,1,")
    status, problem = await world.call("GET", "refusals/sums?format=xml", world.admin())
    assert (status, "json and csv" in problem["message"]) == (400, True)


async def test_refusals_outlive_the_service(tmp_path: Path, hub: FakeHub) -> None:
    async with hub_world(tmp_path, hub) as world:
        await refuse(world, "ada", size="no-such")
    async with hub_world(tmp_path, hub) as world:
        (found,) = await listed(world, world.admin())
        assert (found["owner"], found["size"]) == ("ada", "no-such")


class FakeStore:
    """A store that notes where it is called, and fails when it is told to."""

    def __init__(self) -> None:
        self.added: list[RefusalRecord] = []
        self.threads: set[int] = set()
        self.fails = False

    def add(self, refusals: tuple[RefusalRecord, ...]) -> None:
        self.threads.add(threading.get_ident())
        if self.fails:
            message = "no room"
            raise LedgerWriteError(message)
        self.added += refusals


def a_refusal(number: int = 0) -> Refusal:
    return Refusal(RefusalReason.NO_ROOM, "no room", {"free_mib": number})


def asked(memory_mib: int = 1, **values: Any) -> AskedFor:
    return AskedFor(Holder.NOTEBOOK, memory_mib=memory_mib, **values)


async def test_who_asks_in_a_loop_is_one_entry_that_is_written_once_beside_the_loop() -> None:
    store = FakeStore()
    refusals = Refusals(store, lambda: NOW)  # type: ignore[arg-type]
    for number in range(1000):
        refusals.note("ada", asked(), a_refusal(number))
    refusals.note("bob", asked(), a_refusal())
    refusals.note("ada", asked(2), a_refusal())
    await refusals.store()
    await refusals.store()
    told = [(each.owner, each.memory_mib, each.times) for each in store.added]
    assert told == [("ada", 1, 1000), ("bob", 1, 1), ("ada", 2, 1)]
    assert store.added[0].numbers == {"free_mib": 999}
    assert threading.get_ident() not in store.threads


async def test_an_owner_who_asks_for_ever_other_things_leaves_room_to_others() -> None:
    store = FakeStore()
    refusals = Refusals(store, lambda: NOW)  # type: ignore[arg-type]
    for number in range(10_000):
        refusals.note("ada", asked(number), a_refusal())
    refusals.note("bob", asked(), a_refusal())
    await refusals.store()
    owners = [each.owner for each in store.added]
    assert (owners.count("ada"), owners.count("bob")) == (module.MOST_WAITING_OF_OWNER, 1)


async def test_what_the_database_does_not_take_is_stored_later_and_counts_once() -> None:
    store = FakeStore()
    refusals = Refusals(store, lambda: NOW)  # type: ignore[arg-type]
    refusals.note("ada", asked(), a_refusal())
    store.fails = True
    await refusals.store()
    refusals.note("ada", asked(), a_refusal())
    await asyncio.gather(refusals.store(), refusals.store())
    store.fails = False
    refusals.store_at_end()
    assert [each.times for each in store.added] == [2]


async def test_amounts_that_no_column_holds_and_long_words_are_cut() -> None:
    store = FakeStore()
    refusals = Refusals(store, lambda: NOW)  # type: ignore[arg-type]
    long = Refusal(RefusalReason.BAD_AMOUNT, "x" * 5000, {"asked": -(10**30)})
    refusals.note("ada", asked(-(10**30), groups=("g" * 255,) * 500), long)
    await refusals.store()
    (found,) = store.added
    assert (found.memory_mib, found.numbers) == (-(2**53 - 1), {"asked": -(2**53 - 1)})
    assert len(found.message.encode()) <= 1000
    assert (len(found.groups), len(found.groups[0].encode())) == (20, 100)
