"""What admins tell owners: who hears it, how long, and who does not."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sublet_hub.slices import announcements as module

from tests.support.fake_agent import a_gpu
from tests.support.hub_world import (
    OTHER_SECRET,
    SERVICE_TOKEN,
    FakeHub,
    HubWorld,
    hub_world,
    settings_for,
)

pytestmark = pytest.mark.asyncio

GROUPS = """
groups:
  science:
    members: [hub-science]
    groups:
      nlp: {members: [hub-nlp]}
  arts: {members: [hub-arts]}
"""


async def announce(
    world: HubWorld, text: str, audience: str = "all", **more: Any
) -> dict[str, Any]:
    body = {"text": text, "audience": audience, **more}
    status, made = await world.call("POST", "announcements", world.admin(), body)
    assert status == 201, made
    return dict(made)


async def told(world: HubWorld, name: str, groups: tuple[str, ...] = ()) -> list[str]:
    status, share = await world.call("GET", "share", world.user(name, groups))
    assert status == 200, share
    return [each["text"] for each in share["announcements"]]


async def test_each_owner_hears_what_is_meant_for_them_and_nothing_else(world: HubWorld) -> None:
    await world.agent()
    await world.agent(node="node-b", boot_id="boot-b", secret=OTHER_SECRET, gpus=(a_gpu("SIM-2"),))
    ada = await world.slice_for("ada", size="small")
    await announce(world, "to all")
    await announce(world, "to ada", "owner", name="ada")
    await announce(world, "to the lab", "group", name="lab")
    await announce(world, "to the node", "node", name=ada["node"])
    other = "node-b" if ada["node"] == "node-a" else "node-a"
    await announce(world, "to the other node", "node", name=other)
    assert await told(world, "ada") == ["to the node", "to ada", "to all"]
    assert await told(world, "bob", ("lab",)) == ["to the lab", "to all"]
    assert await told(world, "eve", ("labs",)) == ["to all"]


async def test_who_has_a_slice_on_a_card_is_told_and_nobody_beside_them(world: HubWorld) -> None:
    await world.agent(gpus=(a_gpu("SIM-1"), a_gpu("SIM-2", index=1)))
    slices = {name: await world.slice_for(name, size="whole") for name in ("ada", "bob")}
    by_card = {lease["gpu_index"]: lease["gpu_id"] for lease in slices.values()}
    assert by_card == {0: "SIM-1", 1: "SIM-2"}
    for index, card in by_card.items():
        by_place = await announce(world, "by place", "card", name=f"node-a:{index}")
        by_id = await announce(world, "by id", "card", name=card)
        assert by_place["name"] == by_id["name"] == card
        for name, lease in slices.items():
            there = ["by id", "by place"] if lease["gpu_id"] == card else []
            assert await told(world, name) == there
        assert await told(world, "ida") == []
        for made in (by_place, by_id):
            body = {"announcement_id": made["announcement_id"]}
            await world.call("POST", "announcements/withdraw", world.admin(), body)


async def test_of_a_group_of_the_quota_document_are_its_members_and_those_of_all_below(
    tmp_path: Path, hub: FakeHub
) -> None:
    (tmp_path / "quota.yaml").write_text(GROUPS)
    settings = settings_for(tmp_path, quota_file=tmp_path / "quota.yaml")
    async with hub_world(tmp_path, hub, settings) as world:
        made = await announce(world, "to science", "group", name="science")
        await announce(world, "to nlp", "group", name="nlp")
        assert await told(world, "ada", ("hub-nlp",)) == ["to nlp", "to science"]
        assert await told(world, "bob", ("hub-science",)) == ["to science"]
        assert await told(world, "eve", ("hub-arts",)) == []
        # The document says who is of nlp: a group of the hub's that has its name is another.
        assert await told(world, "ida", ("nlp",)) == []
        status, answer = await world.call(
            "POST",
            "announcements",
            world.admin(),
            {"text": "x", "audience": "group", "name": "nlp"},
        )
        assert (status, answer["warning"], made["name"]) == (201, None, "science")


async def test_the_options_form_is_told_what_its_user_is_told(world: HubWorld) -> None:
    await announce(world, "to ada", "owner", name="ada")
    await announce(world, "to the lab", "group", name="lab")
    _, adas = await world.call("GET", "hub/offers?owner=ada&groups=lab", SERVICE_TOKEN)
    assert [each["text"] for each in adas["told"]] == ["to the lab", "to ada"]
    _, bobs = await world.call("GET", "hub/offers?owner=bob", SERVICE_TOKEN)
    assert bobs["told"] == []


async def test_a_name_that_the_hub_does_not_know_is_told_with_a_warning(world: HubWorld) -> None:
    world.user("ada")
    made = await announce(world, "to nobody", "owner", name="nobody")
    assert made["warning"].startswith("JupyterHub has no user 'nobody' yet")
    made = await announce(world, "to no group", "group", name="labs")
    assert made["warning"] == "JupyterHub has no group 'labs' (did you mean 'lab'?)"
    assert (await announce(world, "to the lab", "group", name="lab"))["warning"] is None


async def test_what_is_told_names_no_admin_and_ends_after_a_day(world: HubWorld) -> None:
    made = await announce(world, "<b>maintenance</b> at *six*")
    _, share = await world.call("GET", "share", world.user("ada"))
    (shown,) = share["announcements"]
    assert set(shown) == {"announcement_id", "text", "made_at", "until", "from_admin"}
    assert shown["from_admin"]
    assert shown["text"] == "<b>maintenance</b> at *six*"
    length = datetime.fromisoformat(made["until"]) - datetime.fromisoformat(made["made_at"])
    assert length == timedelta(days=1)
    assert made["made_by"] == "root"


async def test_an_announcement_ends_by_itself_and_outlives_the_service(
    tmp_path: Path, hub: FakeHub
) -> None:
    async with hub_world(tmp_path, hub) as world:
        soon = datetime.now(UTC) + timedelta(hours=1)
        await announce(world, "soon over", until=soon.isoformat())
        await announce(world, "stays")
    async with hub_world(tmp_path, hub) as world:
        assert await told(world, "ada") == ["stays", "soon over"]
        announcements = world.service.announcements
        later = soon + timedelta(seconds=1)
        announcements._now = lambda: later
        assert await told(world, "ada") == ["stays"]
        announcements.end_due()
    async with hub_world(tmp_path, hub) as world:
        assert await told(world, "ada") == ["stays"]


async def test_what_was_told_is_listed_and_taken_back(world: HubWorld) -> None:
    first = await announce(world, "first")
    await announce(world, "second", "owner", name="ada")
    admin = world.admin()
    _, listed = await world.call("GET", "announcements", admin)
    assert [(each["text"], each["audience"], each["name"]) for each in listed] == [
        ("second", "owner", "ada"),
        ("first", "all", None),
    ]
    body = {"announcement_id": first["announcement_id"]}
    status, undone = await world.call("POST", "announcements/withdraw", admin, body)
    assert (status, undone["text"]) == (200, "first")
    assert await told(world, "ada") == ["second"]
    assert (await world.call("POST", "announcements/withdraw", admin, body))[0] == 404
    _, events = await world.call("GET", "events", admin)
    kinds = [each["kind"] for each in events if each["kind"].startswith("announce")]
    assert kinds == ["announced", "announced", "announcement-withdrawn"]
    _, own = await world.call("GET", "events", world.user("ada"))
    assert own == []


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"text": ""}, 400),
        ({"text": "x" * 501}, 400),
        ({"text": "two\nlines"}, 400),
        ({"text": "a\x1b[31mb"}, 400),
        ({"text": "a\u202eb"}, 400),
        ({"name": "ada"}, 400),
        ({"audience": "owner"}, 400),
        ({"audience": "everybody"}, 400),
        ({"until": "2020-01-01T00:00:00Z"}, 400),
        ({"until": "2999-01-01T00:00:00Z"}, 400),
        ({"audience": "node", "name": "node-z"}, 404),
        ({"audience": "card"}, 400),
        ({"audience": "card", "name": "node-a:7"}, 404),
    ],
)
async def test_what_cannot_be_told_is_refused(
    world: HubWorld, more: dict[str, Any], status: int
) -> None:
    body = {"text": "hello", "audience": "all", **more}
    assert (await world.call("POST", "announcements", world.admin(), body))[0] == status
    assert await told(world, "ada") == []


async def test_there_are_so_many_at_once_and_no_more(
    world: HubWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST_LIVE", 3)
    for number in range(3):
        await announce(world, f"{number}")
    body = {"text": "one more", "audience": "all"}
    status, problem = await world.call("POST", "announcements", world.admin(), body)
    assert (status, "take some back" in problem["message"]) == (409, True)


async def test_admins_alone_tell_list_and_take_back(world: HubWorld) -> None:
    made = await announce(world, "to ada", "owner", name="ada")
    for token in (world.user("ada"), world.user("bob"), world.server("ada")):
        assert (await world.call("GET", "announcements", token))[0] == 403
        body = {"text": "x", "audience": "all"}
        assert (await world.call("POST", "announcements", token, body))[0] == 403
        body = {"announcement_id": made["announcement_id"]}
        assert (await world.call("POST", "announcements/withdraw", token, body))[0] == 403
    assert await told(world, "ada") == ["to ada"]
