"""A service with one card, a document that lets notebooks wait in line, and who asks."""

from datetime import timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any

from sublet_quota.wire.event_kinds import EventKind

from tests.support.hub_world import HubWorld, settings_for

QUOTA = """\
gpu_types: {H100: {match: "*H100*"}}
pools: [{name: interactive, memory_overcommit: 1, compute_overcommit: 1}]
sizes:
  - {name: whole, memory: 1, compute: 1}
  - {name: half, memory: 1/2, compute: 1/2}
everyone: {limit: {slices: 9}}
groups:
  research: {guaranteed: {H100: 1}}
  teaching: {}
notebooks: {when_full: queue, wait_most: 2h}
"""
OPTIONS = {"size": "half", "deep": [1, {"x": None}]}


def settings_with(folder: Path, text: str = QUOTA, **more: Any) -> Any:
    (folder / "quota.yaml").write_text(text)
    return settings_for(folder, quota_file=folder / "quota.yaml", **more)


async def ask(world: HubWorld, owner: str, **wish: Any) -> tuple[int, dict[str, Any]]:
    body = {
        "owner": owner,
        "account": world.account(owner),
        "size": "half",
        "groups": ["teaching"],
        "start_options": OPTIONS,
        **wish,
    }
    # The hub knows who asks, and the server that it starts: others' slices are soon taken back.
    world.hub.people.setdefault(owner, None)
    there = world.hub.servers.setdefault(owner, set())
    there.add(body.get("server", ""))
    status, answer = await world.hub_call("POST", "slices", body)
    if status != HTTPStatus.CREATED:
        there.discard(body.get("server", ""))
    return status, dict(answer)


async def full(world: HubWorld) -> str:
    """One card, which eve has whole; return her slice."""
    await world.agent()
    lease = await world.slice_for("eve", size="whole", groups=["teaching"])
    # What the service stores of it within a second is stored now: nothing changes by itself then.
    world.service.places.look()
    return str(lease["slice_id"])


async def give_back(world: HubWorld, slice_id: str) -> None:
    status, _ = await world.hub_call("DELETE", f"slices/{slice_id}")
    assert status == 204


async def events(world: HubWorld, kind: EventKind) -> list[tuple[str, str]]:
    _, told = await world.call("GET", "events", world.admin())
    return [(each["owner"], each["detail"]) for each in told if each["kind"] == kind]


def pass_time(world: HubWorld, length: timedelta) -> None:
    """Let the line find it later by so much."""
    stores = world.service.line._stores
    now = stores.now
    object.__setattr__(stores, "now", lambda: now() + length)
    world.assembly.line.starts._now = stores.now
    world.service.reconciliation._now = stores.now


async def put_in_force(world: HubWorld, text: str) -> None:
    (world.folder / "quota.yaml").write_text(text)
    assert await world.service.quota.reload()
