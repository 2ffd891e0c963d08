"""What the hub knows of the names in the quota document, as admins are warned of it."""

import json
from pathlib import Path

import pytest
from sublet_hub.slices.hub_names import HubNames
from sublet_hub.slices.jupyterhub_client import HubClient
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.document.reading import read_quota_document

from tests.support.hub_world import SERVICE_TOKEN, FakeHub, hub_world, settings_for

pytestmark = pytest.mark.asyncio
TEXT = """\
groups: {lab: {members: [laab]}}
exceptions: [{who: [adda], set: {jobs: {most: 2}}, until: 2030-01-01, why: thesis}]
"""
DOCUMENT = read_quota_document(TEXT)
GROUP = "line 1: groups.lab.members: JupyterHub has no group 'laab' (did you mean 'lab'?)"
USER = "line 2: exceptions[0].who: JupyterHub has no user 'adda' yet (did you mean 'ada'?)"


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


def told(names: HubNames, document: QuotaDocument = DOCUMENT) -> tuple[str, ...]:
    return tuple(map(str, names.warnings(document)))


@pytest.fixture
def names(hub: FakeHub, clock: Clock) -> HubNames:
    hub.people["ada"] = ("lab",)
    return HubNames(HubClient(hub.url, SERVICE_TOKEN), clock)


async def test_nothing_is_said_before_the_hub_was_asked(names: HubNames) -> None:
    assert told(names) == ()


async def test_unknown_names_are_told_and_asked_after_anew_after_a_while(
    names: HubNames, hub: FakeHub, clock: Clock
) -> None:
    await names.look(DOCUMENT)
    assert told(names) == (GROUP, USER)
    assert hub.groups is not None
    hub.groups.add("laab")
    hub.people["adda"] = ()
    await names.look(DOCUMENT)
    assert hub.asked_about == ["adda"], "it was asked just now"
    clock.now_s = 301.0
    await names.look(DOCUMENT)
    assert told(names) == ()


async def test_who_looks_at_warnings_sees_what_was_mended_and_only_that_is_asked_after(
    names: HubNames, hub: FakeHub, clock: Clock
) -> None:
    document = read_quota_document(TEXT.replace("[adda]", "[ada, adda]"))
    await names.look(document)
    assert told(names, document) == (GROUP, USER)
    assert hub.groups is not None
    hub.groups.add("laab")
    hub.people["adda"] = ()
    clock.now_s = 3.0
    await names.look_for_admin(document)
    assert told(names, document) == ()
    assert hub.asked_about == ["ada", "adda", "adda"]


async def test_a_document_that_names_others_is_asked_for_at_once(
    names: HubNames, hub: FakeHub
) -> None:
    await names.look(DOCUMENT)
    await names.look(read_quota_document(TEXT.replace("adda", "ben")))
    assert hub.asked_about == ["adda", "ben"]


async def test_a_preview_of_another_document_takes_nothing_from_what_is_told_of_this_one(
    names: HubNames,
) -> None:
    await names.look(DOCUMENT)
    other = read_quota_document(TEXT.replace("adda", "adaa"))
    await names.look_for_admin(other)
    assert told(names) == (GROUP, USER)
    assert told(names, other) == (GROUP, USER.replace("adda", "adaa"))


async def test_who_looks_at_warnings_does_not_wait_for_a_hub_that_takes_longer(
    hub: FakeHub,
) -> None:
    names = HubNames(HubClient(hub.url, SERVICE_TOKEN), patience_s=0.0)
    await names.look_for_admin(DOCUMENT)
    assert names.warnings(DOCUMENT) == ()
    await names.look(DOCUMENT)
    assert names.warnings(DOCUMENT) != ()


async def test_a_hub_that_is_away_leaves_what_it_said(
    names: HubNames, hub: FakeHub, clock: Clock
) -> None:
    await names.look(DOCUMENT)
    hub.broken = True
    clock.now_s = 301.0
    await names.look(DOCUMENT)
    assert told(names) == (GROUP, USER)


async def test_a_hub_that_withholds_its_groups_is_said_to_and_users_are_asked_after(
    names: HubNames, hub: FakeHub
) -> None:
    hub.groups = None
    await names.look(DOCUMENT)
    withheld, user = told(names)
    assert "lacks the scope `list:groups`" in withheld
    assert user == USER


@pytest.mark.parametrize(
    ("user", "group", "says"),
    [
        ("ada", None, None),
        ("adda", None, "JupyterHub has no user 'adda' yet (did you mean 'ada'?)"),
        (None, "lab", None),
        (None, "laab", "JupyterHub has no group 'laab' (did you mean 'lab'?)"),
        (None, None, None),
    ],
)
async def test_a_single_name_is_asked_after(
    names: HubNames, user: str | None, group: str | None, says: str | None
) -> None:
    assert await names.unknown(user=user, group=group) == says


async def test_of_a_single_name_nothing_is_said_where_the_hub_does_not_answer(
    names: HubNames, hub: FakeHub
) -> None:
    hub.groups = None
    assert await names.unknown(group="laab") is None
    hub.broken = True
    assert await names.unknown(user="adda") is None


async def test_admins_are_warned_wherever_they_look(tmp_path: Path, hub: FakeHub) -> None:
    hub.people["ada"] = ("lab",)
    file = tmp_path / "quota.yaml"
    file.write_text(TEXT)
    async with hub_world(tmp_path, hub, settings_for(tmp_path, quota_file=file)) as world:
        admin = world.admin()
        _, quota = await world.call("GET", "quota", admin)
        assert [each for each in quota["warnings"] if "JupyterHub" in each] == [GROUP, USER]
        health = json.loads((await world.raw("GET", "health")).body)
        assert health["quota_warnings"] == len(quota["warnings"])
        text = TEXT.replace("adda", "adaa")
        _, preview = await world.call("POST", "quota/preview", admin, {"text": text})
        warned = [each for each in preview["warnings"] if "JupyterHub" in each]
        assert warned == [GROUP, USER.replace("adda", "adaa")]
        placed = {each["key"]: each["line"] for each in preview["placed"]}
        assert placed["groups.lab.members"] == 1
        assert placed["exceptions[0].who"] == 2
