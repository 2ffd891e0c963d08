"""Reservations in the service: room is lent until moving must begin, and is there at the hour."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sublet_hub.host.clock import utc_now
from sublet_hub.ledger.records import Change
from sublet_hub.slices import reserved_rooms
from sublet_hub.state import fleet
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.holdings.kept_cards import KEPT_FOR
from sublet_quota.names.ids import GpuId, GroupName
from sublet_quota.placement.reserved_room import LOOK_AHEAD, ReservedRoom
from sublet_quota.residency.snapshot import Rank
from sublet_quota.wire.agent_link import GpuAssignment, SliceAssignment
from sublet_quota.wire.event_kinds import EventKind

from tests.support.fake_agent import FakeAgent, a_gpu, a_report
from tests.support.hub_world import FakeHub, HubWorld, hub_world, settings_for

pytestmark = pytest.mark.asyncio
MINUTE = timedelta(minutes=1)
ZONE = ZoneInfo("Asia/Tokyo")
"""One whose clocks are never put back: an hour that it has twice has no name of its own."""
QUOTA = """
gpu_types: {{H100: {{match: "*H100*"}}}}
pools: [{{name: interactive, memory_overcommit: 1, compute_overcommit: 1}}]
sizes:
  - {{name: whole, memory: 1, compute: 1}}
  - {{name: quarter, memory: 1/4, compute: 1/4}}
groups: {{course: {{}}, guests: {{}}}}
reservations:
  - {{name: lab, for: course, guaranteed: {{H100: {cards}}}, at: {at}, zone: Asia/Tokyo}}
"""


class Scene:
    """A service with cards that guests have borrowed, and an hour that a course has reserved."""

    def __init__(self, world: HubWorld, agent: FakeAgent, begin: datetime) -> None:
        self.world = world
        self.agent = agent
        self.begin = begin

    def clock(self, then: datetime) -> None:
        """Let it be then for what hangs on the document's time."""
        service = self.world.service
        for part in (service.capacity, service.places, service.places._reserved):
            part._now = lambda: then
        service.places._reserved._again_at = None

    async def at(self, before: timedelta) -> None:
        """Let it be so long before the hour, and have the service look."""
        self.clock(self.begin - before)
        await self.world.service.places.prepare()
        self.world.service.places.look()

    async def speaks(self) -> None:
        """Have the agent report as often as one does."""
        while True:
            await self.agent.report()
            await asyncio.sleep(0.5)

    async def rank(self, owner: str) -> dict[str, Any]:
        _, share = await self.world.call("GET", "share", self.world.user(owner))
        (mine,) = share["slices"]
        return dict(mine["rank"])

    def kept(self) -> dict[str, datetime | None]:
        """Since when whose slices are called back."""
        slices = self.world.service.ledger.slices.values()
        return {each.owner: each.called_back_since for each in slices}

    def called_back(self) -> set[str]:
        return {owner for owner, since in self.kept().items() if since is not None}

    def told(self) -> dict[str, tuple[int, datetime | None]]:
        """What the agent is told to have free on cards, and until when."""
        gpus, _ = self._assigned()
        return {
            each.gpu_id: (each.reserved_mib, each.reserved_until)
            for each in gpus
            if each.reserved_mib
        }

    def slices(self) -> tuple[SliceAssignment, ...]:
        """The slices as the agent is told of them."""
        _, slices = self._assigned()
        return slices

    def _assigned(self) -> tuple[tuple[GpuAssignment, ...], tuple[SliceAssignment, ...]]:
        assigner, ledger = self.world.assembly.connections._assigner, self.world.service.ledger
        found: tuple[tuple[GpuAssignment, ...], tuple[SliceAssignment, ...]]
        found = assigner.assignments("node-a", ledger.gpus)
        return found

    async def holds(self, owner: str, gib: int) -> None:
        """Have the agent say how much an owner's slice holds."""
        (slice_id,) = (
            each.slice_id
            for each in self.world.service.ledger.slices.values()
            if each.owner == owner
        )
        self.agent.says[slice_id] = a_report(slice_id, memory_mib=gib * 1024)
        await self.agent.report()


def an_hour() -> datetime:
    """An hour of tomorrow."""
    return (utc_now() + timedelta(days=1)).replace(second=0, microsecond=0, minute=0, hour=11)


@asynccontextmanager
async def scene(
    folder: Path, hub: FakeHub, begin: datetime, cards: int, reserved: int
) -> AsyncIterator[Scene]:
    """Run a service with so many cards, all borrowed by guests, until the block ends."""
    there = begin.astimezone(ZONE)
    path = folder / "quota.yaml"
    at = f"{there:%Y-%m-%d %H:%M}-24:00"
    path.write_text(QUOTA.format(cards=reserved, at=at))
    settings = settings_for(folder, quota_file=path, start_within=timedelta(days=9))
    async with hub_world(folder, hub, settings) as world:
        gpus = tuple(a_gpu(f"SIM-{n}", index=n, suspend_mib_per_s=100) for n in range(cards))
        agent = await world.agent(gpus=gpus)
        made = Scene(world, agent, begin)
        if not world.service.ledger.slices:
            for n in range(cards):
                await world.slice_for(f"guest-{n}", size="whole", groups=["guests"])
        await agent.until(lambda: agent.serves(lambda _: True))
        speaking = asyncio.create_task(made.speaks())
        try:
            yield made
        finally:
            speaking.cancel()
            with suppress(asyncio.CancelledError):
                await speaking


async def test_borrowers_keep_their_room_until_it_must_be_moved_and_are_told_for_whom(
    tmp_path: Path, hub: FakeHub
) -> None:
    begin = an_hour()
    async with scene(tmp_path, hub, begin, cards=2, reserved=1) as here:
        # Eighteen GiB at 100 MiB/s take three minutes and some seconds.
        for owner in ("guest-0", "guest-1"):
            await here.holds(owner, 18)
        await here.at(4 * MINUTE)
        assert here.called_back() == set()
        await here.at(3 * MINUTE)
        (owner,) = here.called_back()
        told = f"reserved for course from {begin.astimezone(ZONE):%H:%M} ({ZONE})"
        _, events = await here.world.call("GET", "events", here.world.user(owner))
        (event,) = (each for each in events if each["kind"] == EventKind.SLICE_CALLED_BACK)
        assert told in event["detail"]
        # Nor is the room lent to somebody else meanwhile.
        body = {"owner": "late", "groups": ["guests"], "size": "quarter"}
        body["account"] = here.world.account("late")
        status, problem = await here.world.hub_call("POST", "slices", body)
        assert (status, here.called_back()) == (409, {owner}), problem
        # Nobody has come yet: it is not brought back and called back in turns.
        for before in (2 * MINUTE, MINUTE, timedelta(), -4 * MINUTE):
            await here.at(before)
            assert here.called_back() == {owner}
        rank = await here.rank(owner)
        assert rank["code"] == "called-back"
        assert f"Called back: its room is {told}." in rank["meaning"]
        # What nobody has taken by then is lent again.
        await here.at(-6 * MINUTE)
        assert here.called_back() == set()
        assert (await here.rank(owner))["code"] == "borrowed"


async def test_two_hundred_servers_start_at_the_hour_and_call_nobody_back(
    tmp_path: Path, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Agent, service and who asks share one process here: a busy machine keeps reports waiting.
    monkeypatch.setattr(fleet, "SILENT_AFTER", timedelta(minutes=10))
    begin = an_hour()
    async with scene(tmp_path, hub, begin, cards=52, reserved=50) as here:
        await here.at(MINUTE)
        away = here.called_back()
        assert len(away) == 50
        # The hour has come, and nothing but the first of them has noticed.
        here.clock(begin)
        main, under, threads = threading.main_thread(), Holdings.under, set()

        def noted(*args: Any, **more: Any) -> Holdings:
            threads.add(threading.current_thread())
            return under(*args, **more)

        monkeypatch.setattr(Holdings, "under", noted)
        await here.at(timedelta(seconds=1))
        assert threads
        here.clock(begin)
        leases = await asyncio.gather(
            *(
                here.world.slice_for(f"student-{n}", size="quarter", groups=["course"])
                for n in range(200)
            )
        )
        assert len({lease["slice_id"] for lease in leases}) == 200
        holdings = here.world.service.capacity.holdings
        assert {holdings.rank(lease["slice_id"]) for lease in leases} == {Rank.ENTITLED}
        assert here.called_back() == away
        assert len({lease["gpu_id"] for lease in leases}) == 50
        # Nobody else had to wait for what follows from the hour, nor for who makes way.
        assert main not in threads


async def test_an_hour_that_comes_while_it_is_reckoned_who_makes_way_keeps_nobody_waiting(
    tmp_path: Path, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = an_hour()
    async with scene(tmp_path, hub, begin, cards=2, reserved=1) as here:
        main, under, threads = threading.main_thread(), Holdings.under, set()
        rooms_of = reserved_rooms._rooms_of

        def noted(*args: Any, **more: Any) -> Holdings:
            threads.add(threading.current_thread())
            return under(*args, **more)

        def as_the_hour_comes(*args: Any) -> Any:
            here.clock(begin)
            return rooms_of(*args)

        monkeypatch.setattr(Holdings, "under", noted)
        monkeypatch.setattr(reserved_rooms, "_rooms_of", as_the_hour_comes)
        await here.at(MINUTE)
        assert threads
        assert main not in threads


async def test_a_restart_of_the_service_keeps_the_room(tmp_path: Path, hub: FakeHub) -> None:
    # By the clock of the service that begins anew, too, it is soon.
    begin = utc_now().replace(second=0, microsecond=0) + 4 * MINUTE
    async with scene(tmp_path, hub, begin, cards=1, reserved=1) as here:
        await here.at(MINUTE)
        assert here.called_back() == {"guest-0"}
        kept = here.kept()
    async with scene(tmp_path, hub, begin, cards=1, reserved=1) as here:
        await here.at(MINUTE / 2)
        assert here.kept() == kept


async def test_room_is_not_kept_for_a_reservation_that_was_taken_away(
    tmp_path: Path, hub: FakeHub
) -> None:
    async with scene(tmp_path, hub, an_hour(), cards=1, reserved=1) as here:
        await here.at(MINUTE)
        holdings = here.world.service.capacity.holdings
        assert (here.called_back(), len(holdings.kept_cards)) == ({"guest-0"}, 1)
        path = tmp_path / "quota.yaml"
        path.write_text(path.read_text().partition("reservations:")[0])
        assert await here.world.service.quota.reload()
        await here.at(MINUTE)
        assert not here.world.service.capacity.holdings.kept_cards
        assert here.called_back() == set()


async def test_a_reservation_of_a_new_document_is_kept_as_soon_as_that_is_in_force(
    tmp_path: Path, hub: FakeHub
) -> None:
    async with scene(tmp_path, hub, an_hour(), cards=1, reserved=1) as here:
        path, places = tmp_path / "quota.yaml", here.world.service.places
        written = path.read_text()
        path.write_text(written.partition("reservations:")[0])
        assert await here.world.service.quota.reload()
        await here.at(MINUTE)
        assert here.called_back() == set()
        path.write_text(written)
        assert await here.world.service.quota.reload()
        # No moment later: it was looked at just now, under the document of before.
        await places.prepare()
        places.look()
        assert here.called_back() == {"guest-0"}
        assert len(here.world.service.capacity.holdings.kept_cards) == 1


async def test_who_is_on_the_way_to_a_card_that_is_reserved_stays_where_it_is(
    tmp_path: Path, hub: FakeHub
) -> None:
    async with scene(tmp_path, hub, an_hour(), cards=2, reserved=2) as here:
        ledger, now = here.world.service.ledger, here.world.service.now()
        first, second = sorted(ledger.slices.values(), key=lambda each: each.owner)
        here.world.service.allocation.release(second.slice_id, "it has gone")
        moves = replace(first, moving_to=second.gpu.gpu_id)
        ledger.apply(Change(slices=(moves,)), now)
        await here.at(MINUTE)
        record = ledger.slices[first.slice_id]
        assert (record.gpu, record.moving_to) == (first.gpu, None)
        assert record.called_back_since is not None
        holding = here.world.service.capacity.holdings.slice(first.slice_id)
        assert holding is not None
        assert (holding.gpu_id, holding.called_back) == (first.gpu.gpu_id, True)


async def test_the_agent_is_told_how_much_is_to_be_free_and_until_when(
    tmp_path: Path, hub: FakeHub
) -> None:
    async with scene(tmp_path, hub, an_hour(), cards=2, reserved=1) as lab:
        await lab.at(11 * MINUTE)
        assert lab.told() == {}
        await lab.at(MINUTE)
        (card,) = lab.told()
        mib, until = lab.told()[card]
        usable_mib = 81920 - 1024
        assert (mib, until) == (usable_mib, lab.begin + KEPT_FOR)
        assert not any(each.in_reserve for each in lab.slices())
        await lab.at(-6 * MINUTE)
        assert lab.told() == {}


async def test_what_starts_at_the_hour_has_its_room_of_what_was_reserved(
    tmp_path: Path, hub: FakeHub
) -> None:
    async with scene(tmp_path, hub, an_hour(), cards=1, reserved=1) as lab:
        await lab.at(MINUTE)
        assert lab.told()
        lab.clock(lab.begin)
        allocation = lab.world.service.allocation
        allocation._stores = replace(allocation._stores, now=lambda: lab.begin)
        lease = await lab.world.slice_for("ada", groups=["course"], size="quarter")
        (own,) = (each for each in lab.slices() if each.in_reserve)
        assert own.slice_id == lease["slice_id"]
        assert lab.told()


async def test_what_an_agent_says_of_a_hundred_slices_is_no_longer_than_anything_is_looked_at(
    tmp_path: Path, hub: FakeHub
) -> None:
    """Else no step of the service's look at places came to its end, on whatever node."""
    begin = an_hour()
    async with scene(tmp_path, hub, begin, cards=1, reserved=1) as here:
        here.agent.gpus = (a_gpu("SIM-0", suspend_mib_per_s=1),)
        await here.holds("guest-0", 2**30)
        (slice_id,) = here.world.service.ledger.slices
        reserved = here.world.service.places._reserved
        end = begin + timedelta(hours=2)
        room = ReservedRoom(GroupName("course"), GpuId("SIM-0"), (slice_id,), begin, end)
        assert reserved._moving(room) == LOOK_AHEAD
