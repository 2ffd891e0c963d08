"""What would follow of a document is told of the service's own state, and changes nothing."""

from pathlib import Path
from typing import Any

import pytest
from sublet_hub.web.views import quota_previews

from tests.support.hub_world import FakeHub, HubWorld, hub_world, settings_for, until
from tests.support.hub_world_runner import write_interpreter, write_script

pytestmark = pytest.mark.asyncio

TYPES = 'gpu_types: {H100: {match: "*H100*"}}\n'
QUOTA = TYPES + "groups: {research: {guaranteed: {H100: 1}}, teaching: {}}\n"
CLOSING = QUOTA + "closed: [{node: node-a, why: fan}]\n"
OTHER = (
    TYPES
    + "groups: {research: {guaranteed: {H100: 1/2}}, teaching: {each: {limit: {cards: 1/2}}}}\n"
)


async def previewed(world: HubWorld, text: str) -> dict[str, Any]:
    status, found = await world.call("POST", "quota/preview", world.admin(), {"text": text})
    assert status == 200, found
    return dict(found)


async def test_a_preview_warns_of_what_those_in_force_are_warned_of(
    tmp_path: Path, hub: FakeHub
) -> None:
    (tmp_path / "quota.yaml").write_text(QUOTA)
    settings = settings_for(tmp_path, quota_file=tmp_path / "quota.yaml")
    async with hub_world(tmp_path, hub, settings) as world:
        await world.agent()
        text = (
            QUOTA
            + "closed: [{node: elsewhere, why: fan}]\n"
            + "pools: [{name: p, default: true}, {name: q, nodes: [none]}]\n"
        )
        found = await previewed(world, text)
        expected = {
            "closed[0]": (3, "closes elsewhere, of which no GPU is known"),
            "pools.q": (4, "no GPU that there is lies in this pool"),
        }
        placed = {each["key"]: (each["line"], each["message"]) for each in found["placed"]}
        assert placed.items() >= expected.items()
        for key, (line, words) in expected.items():
            assert f"line {line}: {key}: {words}" in found["warnings"]


def kept(world: HubWorld) -> object:
    service = world.service
    holdings = service.capacity.holdings
    return (
        {each.slice_id: (each, holdings.rank(each.slice_id)) for each in holdings.slices()},
        dict(service.ledger.slices),
        dict(service.ledger.live_jobs),
        service.quota.text,
        holdings,
        holdings.document,
    )


async def test_what_would_follow_is_told_and_nothing_has_changed(
    tmp_path: Path, hub: FakeHub
) -> None:
    (tmp_path / "quota.yaml").write_text(QUOTA)
    settings = settings_for(tmp_path, quota_file=tmp_path / "quota.yaml")
    async with hub_world(tmp_path, hub, settings) as world:
        await world.agent()
        await world.slice_for("ada", size="whole", groups=["research"])
        await world.slice_for("bob", size="whole", groups=["teaching"])
        # Else what they are entitled to would be stored meanwhile.
        world.service.places.look()
        before = kept(world)
        found = await previewed(world, OTHER)
        assert kept(world) == before
        (rank,) = found["ranks"]
        assert (rank["owner"], rank["before"]["code"], rank["after"]["code"]) == (
            "ada",
            "entitled",
            "borrowed",
        )
        assert rank["at"] > found["at"]
        beyond = {
            (e["beyond"], e["group"], e["owner"], e["held"], e["most"]) for e in found["beyond"]
        }
        assert beyond == {
            ("guarantee", "research", None, "1 card of H100", "0.5 cards of H100"),
            ("limit", None, "bob", "1 card", "0.5 cards"),
        }
        rights = {each["right"]: each for each in found["rights"]}
        limit = rights["limit of cards"]
        assert (limit["after"], limit["people"], limit["named"]) == ("0.5 cards", 1, ["bob"])
        assert (found["people"], found["revision"], found["left_out"]) == (2, None, 0)
        # The code that decides says the same.
        (tmp_path / "quota.yaml").write_text(OTHER)
        await world.call("POST", "quota/reload", world.admin())
        (record,) = world.service.ledger.slices_of_owner("ada")
        assert record.before_until is not None


async def test_a_job_that_would_be_started_is_told_by_the_queues_own_plan(
    tmp_path: Path, hub: FakeHub
) -> None:
    async with hub_world(tmp_path, hub) as world:
        agent = await world.agent()
        agent.gpus = (agent.gpus[0].model_copy(update={"lendable_mib": 0}),)
        await agent.report()
        gpu_id = agent.gpus[0].gpu_id
        fleet = world.service.fleet
        await until(lambda: fleet.gpu_report(gpu_id).lendable_mib == 0)
        world.interpreter = write_interpreter(world.folder / "python")
        await world.slice_for("ada", size="small")
        write_script(world.folder / "homes/ada/train.ipynb", ["print", "x"])
        asked = {"notebook": "train.ipynb", "memory_mib": 4096}
        status, job = await world.call("POST", "jobs", world.user("ada"), asked)
        assert status == 201, job
        found = await previewed(world, "everyone: {jobs: {types: []}}\n")
        (change,) = found["jobs"]
        assert (change["job_id"], change["owner"]) == (job["job_id"], "ada")
        assert "types or sizes not allowed" in change["after"]
        assert world.service.ledger.live_jobs[job["job_id"]].slice_id is None


@pytest.mark.parametrize("in_force", [QUOTA, CLOSING])
async def test_cards_count_as_the_document_would_close_them_whatever_is_closed_now(
    tmp_path: Path, hub: FakeHub, in_force: str
) -> None:
    (tmp_path / "quota.yaml").write_text(in_force)
    settings = settings_for(tmp_path, quota_file=tmp_path / "quota.yaml")
    async with hub_world(tmp_path, hub, settings) as world:
        await world.agent(node="node-a")
        assert not (await previewed(world, QUOTA))["unmet"]
        short, *_ = (await previewed(world, CLOSING))["unmet"]
        assert "1 card of H100 is guaranteed, and 0 cards can keep guarantees" in short
        assert "fan" in short


async def test_a_document_that_is_refused_is_told_with_all_that_is_wrong(
    tmp_path: Path, hub: FakeHub
) -> None:
    async with hub_world(tmp_path, hub) as world:
        body = {"text": "polls: {}\nsizes: 1\n"}
        status, problem = await world.call("POST", "quota/preview", world.admin(), body)
        assert (status, problem["reason"]) == (400, "bad-quota-document")
        assert "line 1" in problem["message"]
        assert "line 2" in problem["message"]


async def test_of_very_many_entries_the_first_are_told_and_how_many_more_there_are(
    tmp_path: Path, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with hub_world(tmp_path, hub) as world:
        await world.agent()
        for name in ("ada", "bob", "cleo"):
            await world.slice_for(name, size="small")
        monkeypatch.setattr(quota_previews, "MOST_TOLD", 2)
        found = await previewed(world, "everyone: {limit: {slices: 0}}\n")
        assert (len(found["beyond"]), found["left_out"]) == (2, 1)
