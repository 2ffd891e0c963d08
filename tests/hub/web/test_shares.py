"""What a user sees of their share over the API, and what they may do with it."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from sublet_hub.ledger.events import event
from sublet_hub.web.views.slices import Viewer
from sublet_quota.life_cycles.slice_states import SliceState
from sublet_quota.reasons.cap_keepers import DRIVER_IF_ABLE, DriverLimit
from sublet_quota.reasons.caps import CapUse
from sublet_quota.reasons.obstacles import Obstacle
from sublet_quota.reasons.share_kept import ShareKept
from sublet_quota.reasons.standings import Standing
from sublet_quota.reasons.waiting import WaitReason
from sublet_quota.wire.agent_link import MoveReport, SliceReport, WaitReport
from sublet_quota.wire.event_kinds import EventKind
from sublet_quota.wire.kept import tell_share_kept
from sublet_quota.wire.slice_warnings import cap_warning, tell_warnings
from sublet_quota.wire.standing import tell_standing

from tests.support.fake_agent import GIB, FakeAgent, a_gpu, a_report
from tests.support.hub_world import FakeHub, HubWorld, hub_world, settings_for, until

pytestmark = pytest.mark.asyncio

QUOTA = """
gpu_types: {H100: {match: "*H100*"}}
everyone: {limit: {slices: 3}}
groups:
  science:
    guaranteed: {H100: 1}
    limit: {H100: 2, memory: 70 GiB}
    groups:
      lab: {guaranteed: {H100: 1/4}, each: {limit: {memory: 60 GiB}}}
  other: {}
"""


async def told(world: HubWorld, agent: FakeAgent, slice_id: str, **values: Any) -> None:
    """Let the agent say this of a slice, and wait until the service has heard it."""
    await agent.until(lambda: slice_id in {s.slice_id for s in agent.assignments.slices})
    agent.says[slice_id] = a_report(slice_id, **values)
    await agent.report()
    await until(lambda: world.service.fleet.report(slice_id) == agent.says[slice_id], 60)


class _OfEverySlice(dict[str, SliceReport]):
    """What an agent says of any slice, from its first report on."""

    def __init__(self, **values: Any) -> None:
        super().__init__()
        self._values = values

    def get(self, key: str, default: Any = None) -> SliceReport:
        del default
        return a_report(key, **self._values)


async def test_my_share_has_my_quota_my_groups_my_offers_and_my_week(
    tmp_path: Path, hub: FakeHub
) -> None:
    (tmp_path / "quota.yaml").write_text(QUOTA)
    settings = settings_for(tmp_path, quota_file=tmp_path / "quota.yaml")
    async with hub_world(tmp_path, hub, settings) as world:
        await world.agent()
        # A quarter and half of the 79 GiB that the card gives away.
        await world.slice_for("ada", memory_mib=79 * GIB // 4, compute_milli=250, groups=["lab"])
        await world.slice_for("ben", memory_mib=79 * GIB // 2, compute_milli=500, groups=["lab"])
        status, share = await world.call("GET", "share", world.user("ada", ("lab", "unknown")))
        assert status == 200
        quota = share["quota"]
        science, lab = quota["groups"]
        assert (science["path"], science["may_pay"]) == (["science"], False)
        assert (lab["path"], lab["may_pay"]) == (["science", "lab"], True)
        (of_science,), (of_lab,) = science["types"], lab["types"]
        assert of_science == {
            "gpu_type": "H100",
            "held": 0.75,
            "jobs": 0,
            "entitled": 0.75,
            "borrowed": 0,
            "guaranteed": 1,
            "limit": 2,
        }
        assert (of_lab["entitled"], of_lab["guaranteed"], of_lab["limit"]) == (0.25, 0.25, None)
        assert (science["held_mib"], science["limit_mib"]) == (79 * GIB * 3 // 4, 70 * GIB)
        own = quota["own"]
        assert (own["held_mib"], own["limit_mib"]) == (79 * GIB // 4, 60 * GIB)
        assert (own["slices"], own["most_slices"], own["held_cards"]) == (1, 3, 0.25)
        assert own["types"] == [
            {
                "gpu_type": "H100",
                "held": 0.25,
                "jobs": 0,
                "entitled": 0.25,
                "borrowed": 0,
                "guaranteed": 0,
                "limit": None,
            }
        ]
        said = {(each["right"], each["line"]) for each in quota["rights"]}
        assert {("limit of memory", 9), ("limit of slices", 3)} <= said
        (slice_,) = share["slices"]
        assert (slice_["group"], slice_["rank"]["code"]) == ("lab", "entitled")
        assert quota["keep_left_minutes"] == 240
        assert {o["size"]: o["allowed"] for o in share["offers"]}["small"]
        assert share["week"]["gpu_hours"] == 0
        assert share["week"]["lent_hours"] == 0
        since = datetime.fromisoformat(share["week"]["since"])
        assert timedelta(days=6, hours=23) < datetime.now(UTC) - since < timedelta(days=7, hours=1)


async def test_a_group_that_somebody_left_still_pays_for_what_runs_and_for_nothing_more(
    tmp_path: Path, hub: FakeHub
) -> None:
    (tmp_path / "quota.yaml").write_text(QUOTA)
    settings = settings_for(tmp_path, quota_file=tmp_path / "quota.yaml")
    async with hub_world(tmp_path, hub, settings) as world:
        await world.agent()
        await world.slice_for("ada", size="small", groups=["other"])
        _, share = await world.call("GET", "share", world.user("ada", ("lab",)))
        told = [(each["group"], each["may_pay"], each["left"]) for each in share["quota"]["groups"]]
        assert told == [("other", False, True), ("science", False, False), ("lab", True, False)]
        assert share["slices"][0]["group"] == "other"
        wish = {"owner": "ada", "server": "more", "account": world.account("ada"), "size": "small"}
        wish |= {"groups": ["lab"], "group": "other"}
        status, problem = await world.hub_call("POST", "slices", wish)
        assert (status, problem["reason"]) == (400, "unknown-group")
        job = {"notebook": "train.ipynb", "group": "other"}
        status, problem = await world.call("POST", "jobs", world.user("ada", ("lab",)), job)
        assert (status, problem["reason"]) == (400, "unknown-group")


async def test_what_somebody_may_have_is_told_to_them_and_to_admins(
    tmp_path: Path, hub: FakeHub
) -> None:
    (tmp_path / "quota.yaml").write_text(QUOTA)
    settings = settings_for(tmp_path, quota_file=tmp_path / "quota.yaml")
    hub.people["cleo"] = ("lab",)
    async with hub_world(tmp_path, hub, settings) as world:
        status, found = await world.call("GET", "quota/rights?owner=cleo", world.admin())
        assert (status, found["groups"], found["groups_known"]) == (200, ["lab"], True)
        memory = next(each for each in found["rights"] if each["right"] == "limit of memory")
        assert memory == {
            "right": "limit of memory",
            "value": "60 GiB",
            "source": "groups.science.groups.lab.each.limit.memory",
            "line": 9,
            "group": None,
        }
        sizes = next(each for each in found["rights"] if each["right"] == "sizes")
        assert (sizes["value"], sizes["source"], sizes["group"]) == (
            "all",
            "when nobody says",
            "lab",
        )
        _, own = await world.call("GET", "quota/rights", world.user("cleo", ("lab",)))
        assert own == found
        assert (await world.call("GET", "quota/rights?owner=cleo", world.user("eve")))[0] == 403
        assert (await world.call("GET", "quota/rights?owner=nobody", world.admin()))[0] == 404
        assert (await world.call("GET", "quota", world.user("eve")))[0] == 403


async def test_a_guarantee_that_is_not_all_in_force_is_told_with_what_is_and_why(
    tmp_path: Path, hub: FakeHub
) -> None:
    (tmp_path / "quota.yaml").write_text(
        "gpu_types: {H100: {match: '*'}}\n"
        "groups: {lab: {guaranteed: {H100: 2}}, other: {guaranteed: {H100: 0}}}\n"
    )
    settings = settings_for(tmp_path, quota_file=tmp_path / "quota.yaml")
    hub.people["cleo"] = ("lab",)
    async with hub_world(tmp_path, hub, settings) as world:
        await world.agent()
        _, found = await world.call("GET", "quota/rights?owner=cleo", world.admin())
        _, share = await world.call("GET", "share", world.user("cleo", ("lab",)))
    (told,) = (each for each in found["rights"] if each["right"] == "lab is guaranteed H100")
    assert told in share["quota"]["rights"]
    assert (told["source"], told["line"]) == ("groups.lab.guaranteed.H100", 2)
    assert told["value"] == (
        "2 cards, 1 card of it in force: 2 cards of H100 are guaranteed, and 1 card can keep "
        "guarantees"
    )


async def test_an_admin_sees_the_limits_of_somebody_who_never_started_a_server(
    tmp_path: Path, hub: FakeHub
) -> None:
    (tmp_path / "quota.yaml").write_text(QUOTA)
    settings = settings_for(tmp_path, quota_file=tmp_path / "quota.yaml")
    hub.people |= {"cleo": ("lab",), "unseen": None}
    async with hub_world(tmp_path, hub, settings) as world:
        status, share = await world.call("GET", "share?owner=cleo", world.admin())
        science, lab = share["quota"]["groups"]
        assert (status, lab["group"], share["groups_known"]) == (200, "lab", True)
        assert science["limit_mib"] == 70 * GIB
        status, share = await world.call("GET", "share?owner=unseen", world.admin())
        assert (status, share["quota"]["groups"], share["groups_known"]) == (200, [], False)


async def test_the_share_of_somebody_who_does_not_exist_is_refused_with_their_name(
    world: HubWorld,
) -> None:
    for name in ("nobody", "..", "a%2fb"):
        status, problem = await world.call("GET", f"share?owner={name}", world.admin())
        assert (status, problem["reason"]) == (404, "not-found")
    assert "JupyterHub knows no user 'a/b'" in problem["message"]
    assert ".." not in world.hub.asked_about


async def test_a_hub_that_is_away_hides_nobody_who_has_a_server(world: HubWorld) -> None:
    await world.agent()
    await world.slice_for("ada", size="small", groups=["lab"])
    world.hub.broken = True
    status, share = await world.call("GET", "share?owner=ada", world.admin())
    assert (status, len(share["slices"]), share["groups_known"]) == (200, 1, True)
    status, problem = await world.call("GET", "share?owner=cleo", world.admin())
    assert (status, problem["reason"]) == (503, "hub-unreachable")


async def test_who_looks_at_many_shares_asks_the_hub_once_for_each(world: HubWorld) -> None:
    world.hub.people["cleo"] = ()
    for _ in range(5):
        assert (await world.call("GET", "share?owner=cleo", world.admin()))[0] == 200
    assert world.hub.asked_about == ["cleo"]


async def test_who_is_in_no_group_has_no_groups_numbers(world: HubWorld) -> None:
    await world.agent()
    _, share = await world.call("GET", "share", world.user("ada"))
    quota = share["quota"]
    assert quota["groups"] == []
    assert (quota["own"]["held_mib"], quota["own"]["limit_mib"]) == (0, None)
    assert share["week"] | {"since": ""} == {
        "since": "",
        "gpu_hours": 0.0,
        "energy_wh": 0.0,
        "lent_hours": 0.0,
    }


@pytest.mark.parametrize("state", SliceState)
async def test_history_is_what_the_agent_said_and_outlives_the_service(
    tmp_path: Path, hub: FakeHub, state: SliceState
) -> None:
    async with hub_world(tmp_path, hub) as world:
        agent = await world.agent()
        report = {"memory_mib": 700, "host_mib": 30, "utilisation_percent": 40, "active": True}
        agent.says = _OfEverySlice(state=state, **report)
        lease = await world.slice_for("ada", size="small")
        path = f"slices/{lease['slice_id']}/history"
        await until(lambda: world.service.fleet.report(lease["slice_id"]) is not None, 60)
        status, history = await world.call("GET", path, world.user("ada"))
        assert (status, history["step_s"]) == (200, 10)
        assert history["cap_mib"] == lease["memory_mib"]
        (point,) = history["points"]
        at = datetime.fromisoformat(point.pop("at"))
        assert point == {**report, "state": state, "lent": False}
        later = quote((at + timedelta(seconds=1)).isoformat())
        _, rest = await world.call("GET", f"{path}?since={later}", world.user("ada"))
        assert rest["points"] == []
    async with hub_world(tmp_path, hub) as world:
        _, again = await world.call("GET", path, world.user("ada"))
        assert [(p["memory_mib"], p["state"]) for p in again["points"]] == [(700, state)]


@pytest.mark.parametrize(
    ("method", "what"), [("GET", "history"), ("POST", "give-up"), ("POST", "resize")]
)
async def test_another_users_slice_answers_as_one_that_is_not_there(
    world: HubWorld, method: str, what: str
) -> None:
    await world.agent()
    lease = await world.slice_for("ada")
    path = f"slices/{lease['slice_id']}/{what}"
    status, problem = await world.call(method, path, world.user("eve"))
    assert (status, problem["reason"]) == (404, "not-found")
    none, same = await world.call(method, f"slices/{'0' * 32}/{what}", world.user("eve"))
    assert none == 404
    assert same["message"].replace("0" * 32, "ID") == problem["message"].replace(
        lease["slice_id"], "ID"
    )


@pytest.mark.parametrize("what", ["give-up", "resize"])
async def test_a_server_may_not_touch_the_slice_of_its_owners_other_server(
    world: HubWorld, what: str
) -> None:
    await world.agent()
    lease = await world.slice_for("ada", "big")
    path = f"slices/{lease['slice_id']}/{what}"
    assert (await world.call("POST", path, world.server("ada", "small")))[0] == 404
    status, answer = await world.call("POST", path, world.server("ada", "big"))
    assert status == 200, answer


async def test_how_long_a_move_has_lasted_counts_on_between_reports(world: HubWorld) -> None:
    agent = await world.agent()
    lease = await world.slice_for("ada")
    began = datetime.now(UTC) - timedelta(hours=5)
    move = MoveReport(
        kind="resuming", began=began, bytes_mib=8, moved_mib=4, expected_s=9, elapsed_s=2
    )
    await told(world, agent, lease["slice_id"], move=move)
    _, share = await world.call("GET", "share", world.user("ada"))
    shown = share["slices"][0]["report"]["move"]
    assert 2 < shown["elapsed_s"] < 60
    assert shown["moved_mib"] == 4


MOVE = MoveReport(kind="suspending", began=datetime.now(UTC), bytes_mib=8, expected_s=9)
TURN = WaitReport(reason=WaitReason.TURN, place=1)


@pytest.mark.parametrize(
    ("values", "standing"),
    [
        ({"active": False}, Standing.IDLE),
        ({"active": False, "state": SliceState.SUSPENDED}, Standing.MOVED_OUT),
        ({"active": False, "lent_to": ("somebody",)}, Standing.LENT),
        ({"active": False, "move": MOVE}, Standing.LEAVING),
        ({"wait": TURN}, Standing.WAITING),
        ({}, Standing.ACTIVE),
    ],
)
async def test_a_slice_stands_as_its_agent_last_said(
    world: HubWorld, values: dict[str, Any], standing: Standing
) -> None:
    agent = await world.agent()
    lease = await world.slice_for("ada")
    await told(world, agent, lease["slice_id"], **values)
    _, share = await world.call("GET", "share", world.user("ada"))
    assert share["slices"][0]["standing"] == tell_standing(standing).model_dump()


async def test_a_slice_that_no_agent_has_told_of_has_no_standing(world: HubWorld) -> None:
    await world.agent()
    lease = await world.slice_for("ada")
    world.service.fleet.forget(lease["node"])
    _, share = await world.call("GET", "share", world.user("ada"))
    assert share["slices"][0]["standing"] is None


async def test_what_is_not_as_it_should_be_with_a_slice_is_told_in_words(world: HubWorld) -> None:
    agent = await world.agent()
    lease = await world.slice_for("ada")
    cap_mib = lease["memory_mib"]
    why = {"unsuspendable": "managed memory", "obstacle": Obstacle.NOT_SUPPORTED}
    await told(world, agent, lease["slice_id"], memory_mib=cap_mib + 1024, over_cap=True, **why)
    _, share = await world.call("GET", "share", world.user("ada"))
    warnings = tell_warnings(cap_warning(CapUse(cap_mib + 1024, cap_mib)), *why.values())
    assert share["slices"][0]["warnings"] == [each.model_dump() for each in warnings]


async def test_a_slice_within_its_new_cap_is_not_called_over_it(world: HubWorld) -> None:
    agent = await world.agent()
    lease = await world.slice_for("ada")
    for held_mib, codes in ((lease["memory_mib"], ["near-cap"]), (1, [])):
        await told(world, agent, lease["slice_id"], memory_mib=held_mib, over_cap=True)
        _, share = await world.call("GET", "share", world.user("ada"))
        assert [each["code"] for each in share["slices"][0]["warnings"]] == codes


@pytest.mark.parametrize(
    "kept",
    [ShareKept.BY_TURNS, ShareKept.NOT_NEEDED, ShareKept.TOO_MANY, ShareKept.BEING_MEASURED],
)
async def test_how_it_stands_with_the_compute_share_is_told_as_the_agent_says(
    world: HubWorld, kept: ShareKept
) -> None:
    agent = await world.agent()
    lease = await world.slice_for("ada")
    _, share = await world.call("GET", "share", world.user("ada"))
    assert share["slices"][0]["compute_kept"] is None
    await told(world, agent, lease["slice_id"], compute_kept=kept)
    _, share = await world.call("GET", "share", world.user("ada"))
    assert share["slices"][0]["compute_kept"] == tell_share_kept(kept).model_dump()
    _, gpus = await world.call("GET", "gpus", world.admin())
    assert gpus[0]["slices"][0]["compute_kept"]["code"] == kept


async def test_the_most_that_a_capped_slice_has_is_told_with_its_number(world: HubWorld) -> None:
    agent = await world.agent()
    lease = await world.slice_for("ada")
    capped = {"compute_kept": ShareKept.CAPPED, "compute_most_milli": 500}
    await told(world, agent, lease["slice_id"], **capped)
    _, share = await world.call("GET", "share", world.user("ada"))
    kept = share["slices"][0]["compute_kept"]
    assert (kept["code"], kept["holds"]) == ("capped", "capped")
    assert kept["words"] == "capped at 50 % by the quota's max_compute"
    less = {"compute_kept": ShareKept.FOREIGN, "compute_foreign_percent": 50}
    await told(world, agent, lease["slice_id"], **less)
    _, share = await world.call("GET", "share", world.user("ada"))
    kept = share["slices"][0]["compute_kept"]
    assert kept["words"].endswith("processes of no slice of this card use 50 % of its time")


async def test_of_a_silent_agents_slice_no_share_is_said_to_be_kept(world: HubWorld) -> None:
    agent = await world.agent()
    lease = await world.slice_for("ada", cap_kept_by=[])
    await told(world, agent, lease["slice_id"], compute_kept=ShareKept.BY_TURNS)
    await agent.close()
    await until(lambda: world.service.fleet.is_silent("node-a"), 60)
    _, share = await world.call("GET", "share", world.user("ada"))
    (slice_,) = share["slices"]
    assert (slice_["silent"], slice_["compute_kept"]) == (True, None)
    assert slice_["cap_kept"]["words"] == "the simulated card, the watch"


@pytest.mark.parametrize(
    ("asked", "by"),
    [
        ({"cap_kept_by": ["hami"], "compute_kept_by": "by-hami"}, ["hami"]),
        ({"cap_kept_by": []}, ["framework", "watch"]),
        ({}, None),
    ],
    ids=["an engine", "the card tells", "a spawner of before"],
)
async def test_what_keeps_the_cap_is_told_as_the_spawner_says_to_agent_and_owner(
    tmp_path: Path, hub: FakeHub, asked: dict[str, Any], by: list[str] | None
) -> None:
    async with hub_world(tmp_path, hub) as world:
        agent = await world.agent(gpus=(a_gpu(simulated=False),))
        await world.slice_for("ada", **asked)
        await agent.until(lambda: agent.assignments.slices)
        (assigned,) = agent.assignments.slices
        assert assigned.compute_kept_by == asked.get("compute_kept_by")
        cap = asked.get("cap_kept_by")
        assert assigned.cap_kept_by == (None if cap is None else tuple(cap))
    async with hub_world(tmp_path, hub) as world:
        # After a restart of the service, too.
        _, share = await world.call("GET", "share", world.user("ada"))
        cap_kept = share["slices"][0]["cap_kept"]
        assert (None if cap_kept is None else cap_kept["by"]) == by


async def test_what_was_suspended_counts_into_the_cap(world: HubWorld) -> None:
    agent = await world.agent()
    lease = await world.slice_for("ada")
    has_mib = lease["memory_mib"] + 1024
    await told(world, agent, lease["slice_id"], memory_mib=0, host_mib=has_mib, over_cap=True)
    _, share = await world.call("GET", "share", world.user("ada"))
    assert [each["code"] for each in share["slices"][0]["warnings"]] == ["over-cap"]


async def test_whose_name_and_slices_somebody_is_shown(tmp_path: Path, hub: FakeHub) -> None:
    """Their own, those of a group with them that the document knows, and to admins everybody's."""
    (tmp_path / "quota.yaml").write_text("groups: {lab: {}}\n")
    settings = settings_for(tmp_path, quota_file=tmp_path / "quota.yaml")
    async with hub_world(tmp_path, hub, settings) as world:
        await world.agent()
        lease = await world.slice_for("bob", groups=["lab", "all"], memory_mib=GIB, compute_milli=1)
        bobs = lease["slice_id"]
        views = world.service.views
        made = event(EventKind.SUSPENDED, world.service.now())
        for viewer, is_shown in (
            (Viewer("bob", sees_all=False), True),
            (Viewer("ada", sees_all=False), False),
            (Viewer("ada", sees_all=False, groups=frozenset({"all"})), False),
            (Viewer("ada", sees_all=False, groups=frozenset({"lab"})), True),
            (Viewer("root", sees_all=True), True),
        ):
            assert views.shows_name("bob", ("lab",), viewer) is is_shown, viewer
            told = views.event(replace(made, for_slice_id=bobs), viewer)
            assert told.for_slice_id == (bobs if is_shown else None), viewer


async def test_metrics_tell_energy_and_lending_without_anybodys_name(world: HubWorld) -> None:
    agent = await world.agent(gpus=(a_gpu(energy_mj=5_000_000),))
    lease = await world.slice_for("ada", size="small")
    await told(world, agent, lease["slice_id"], active=False, lent_to=("j",))
    text = (await world.raw("GET", "metrics", world.admin())).body.decode()
    assert re.search(r'sublet_gpu_energy_joules_total{gpu="SIM-0",.*} 5000.0', text)
    assert "sublet_lent_slices 1.0" in text
    assert "ada" not in text


async def test_that_the_driver_keeps_the_cap_is_told_by_the_agent_and_by_nobody_else(
    world: HubWorld,
) -> None:
    agent = await world.agent()
    lease = await world.slice_for("ada", cap_kept_by=["watch", DRIVER_IF_ABLE])

    async def cap_kept() -> Any:
        _, share = await world.call("GET", "share", world.user("ada"))
        return share["slices"][0]["cap_kept"]

    assert "driver" not in (await cap_kept())["by"]
    await told(world, agent, lease["slice_id"], driver_limit=DriverLimit.KEPT)
    assert (await cap_kept())["words"] == "the driver, the watch"
    await told(world, agent, lease["slice_id"], driver_limit=DriverLimit.MPS)
    without = await cap_kept()
    assert without["by"] == ["simulated", "watch"]
    assert "not the driver, because MPS runs here" in without["meaning"]
    await told(world, agent, lease["slice_id"], driver_limit=DriverLimit.KEPT)
    await agent.close()
    await until(lambda: world.service.fleet.is_silent("node-a"), 60)
    assert "driver" not in (await cap_kept())["by"]
