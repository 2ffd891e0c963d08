"""What was held, used and waited for, as users and admins ask for it; as JSON and as CSV."""

import csv
import io
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sublet_hub.app.application import SubletHub
from sublet_hub.errors import ConfigurationError
from sublet_hub.security.rate_limits import Rate
from sublet_hub.settings import CarbonSettings, OwnerLimits
from sublet_hub.usage.store import HourOfUse
from sublet_quota.budgets.period import hour_of
from traitlets import TraitError

from tests.support.hub_world import FakeHub, HubWorld, hub_world, settings_for, until
from tests.support.line_world import QUOTA, ask, full, give_back

pytestmark = pytest.mark.asyncio


async def table(world: HubWorld, path: str, token: str) -> list[dict[str, str]]:
    response = await world.raw("GET", f"api/{path}", token)
    assert response.code == 200, response.body
    assert response.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert response.headers["Content-Disposition"].startswith("attachment; filename=")
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    return list(csv.DictReader(io.StringIO(response.body.decode())))


async def rows(world: HubWorld, path: str, token: str) -> list[dict[str, Any]]:
    status, report = await world.call("GET", path, token)
    assert status == 200, report
    return list(report["rows"])


async def test_a_user_sees_their_own_use_and_waits_and_nobody_elses(
    tmp_path: Path, hub: FakeHub
) -> None:
    (tmp_path / "quota.yaml").write_text(QUOTA)
    settings = settings_for(tmp_path, quota_file=tmp_path / "quota.yaml")
    async with hub_world(tmp_path, hub, settings) as world:
        eves = await full(world)
        assert (await ask(world, "ada"))[0] == 202
        await give_back(world, eves)
        await until(lambda: world.service.ledger.slices_of_owner("ada"))
        ada, eve, admin = world.user("ada"), world.user("eve"), world.admin()
        for path in ("use", "use/waits"):
            assert {row["of"]["owner"] for row in await rows(world, f"{path}?by=owner", ada)} == {
                "ada"
            }
            status, refused = await world.call("GET", f"{path}?by=owner&owner=eve", ada)
            assert (status, "only 'eve' and admins" in refused["message"]) == (403, True)
        assert [row["of"] for row in await rows(world, "use?by=owner", eve)] == [{"owner": "eve"}]
        assert await rows(world, "use/waits", eve) == []
        everybody = await rows(world, "use?by=owner", admin)
        assert {row["of"]["owner"] for row in everybody} == {"ada", "eve"}
        (hers,) = await rows(world, "use?by=owner&owner=ada", admin)
        assert hers["of"] == {"owner": "ada"}
        (turn,) = await rows(world, "use/waits?by=group", admin)
        assert (turn["kind"], turn["of"], turn["count"]) == ("notebook", {"group": "teaching"}, 1)
        assert 0 < turn["median_s"] == turn["p95_s"] == turn["longest_s"] < 60


async def test_hours_days_and_weeks_are_those_of_the_zone(world: HubWorld) -> None:
    await world.agent()
    await world.slice_for("ada", size="small")
    now = datetime.now(UTC)
    (day,) = await rows(world, "use?by=day&zone=Pacific/Kiritimati", world.admin())
    assert day["of"]["day"] == (now + timedelta(hours=14)).date().isoformat()
    (hour,) = await rows(world, "use?by=hour", world.user("ada"))
    assert datetime.fromisoformat(hour["of"]["hour"]) == hour_of(now)
    (week,) = await rows(world, "use?by=week&by=owner", world.admin())
    assert week["of"]["week"] == f"{now.isocalendar().year}-W{now.isocalendar().week:02}"
    _, report = await world.call("GET", "use?zone=Europe/Berlin", world.admin())
    assert report["zone"] == "Europe/Berlin"


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("use?zone=Mars/Base", "?zone=Mars/Base is no zone that is known here"),
        ("use?zone=../../etc/passwd", "is no zone that is known here"),
        ("use?zone=Europe", "is no zone that is known here"),
        ("use?by=hour&by=day", "?by=hour and ?by=day do not go together"),
        ("use?format=xlsx", "?format=xlsx is none: there are json and csv"),
        ("use/waits?by=type", "?by=type: waits are known by owner, group"),
        ("use/waits?by=week&by=day", "takes one of hour, day, week at once"),
        ("use/limits?percent=101", "give a whole number from 0 to 100"),
    ],
)
async def test_what_cannot_be_told_is_refused(world: HubWorld, query: str, says: str) -> None:
    status, problem = await world.call("GET", query, world.admin())
    assert (status, says in problem["message"]) == (400, True), problem


async def test_no_name_is_a_formula_in_a_table(world: HubWorld) -> None:
    await world.agent()
    await world.slice_for("=cmd|calc", size="small")
    await world.slice_for('a"b,c', size="small")
    found = await table(world, "use?by=owner&by=day&format=csv", world.admin())
    assert {row["owner"] for row in found} == {"'=cmd|calc", 'a"b,c'}
    assert float(found[0]["card_hours"]) >= 0
    assert found[0]["carbon_g"] == ""
    kinds = await world.raw("GET", "api/use?by=owner&by=kind&format=csv", world.admin())
    assert kinds.body.decode().splitlines()[0].startswith("owner,held,used,idle,lent,suspended")
    assert await table(world, "use/waits?format=csv", world.user("ada")) == []


async def test_limits_are_proposed_to_admins_alone(world: HubWorld) -> None:
    await world.agent()
    await world.slice_for("ada", size="small")
    status, report = await world.call("GET", "use/limits?percent=10", world.admin())
    assert (status, report["refused_percent"]) == (200, 10)
    assert {(each["group"], each["of_each"]) for each in report["limits"]} == {
        (None, False),
        (None, True),
    }
    (first, *_) = await table(world, "use/limits?format=csv", world.admin())
    assert (first["group"], first["of_each"]) == ("", "false")
    assert (await world.call("GET", "use/limits", world.user("ada")))[0] == 403


async def test_carbon_is_told_with_whose_word_it_is(tmp_path: Path, hub: FakeHub) -> None:
    carbon = CarbonSettings(350, 1.2, "the grid's operator", date(2026, 1, 31))
    async with hub_world(tmp_path, hub, settings_for(tmp_path, carbon=carbon)) as world:
        hour = hour_of(datetime.now(UTC))
        used = HourOfUse("ada", hour, energy_mj=3_600_000_000), HourOfUse("bob", hour, 1, 1, 1, 1)
        world.service.use._store.add_use(used)
        status, report = await world.call("GET", "use?by=owner", world.admin())
        assert status == 200
        told = {row["of"]["owner"]: row["carbon_g"] for row in report["rows"]}
        assert told == {"ada": 420, "bob": None}
        assert report["carbon"] == {
            "pue": 1.2,
            "g_per_kwh": 350,
            "source": "the grid's operator",
            "as_of": "2026-01-31",
        }


async def test_who_asks_for_report_after_report_is_asked_to_wait(
    tmp_path: Path, hub: FakeHub
) -> None:
    limits = OwnerLimits(requests=Rate(burst=10, per_s=0.001))
    async with hub_world(tmp_path, hub, settings_for(tmp_path, limits=limits)) as world:
        ada, bob = world.user("ada"), world.user("bob")
        statuses = [(await world.call("GET", "use/waits", ada))[0] for _ in range(4)]
        assert (statuses[0], statuses[-1]) == (200, 429)
        assert (await world.call("GET", "use", bob))[0] == 200


async def test_carbon_needs_a_source_and_a_day() -> None:
    def settings(**values: Any) -> CarbonSettings | None:
        return SubletHub(**values).carbon_settings()

    assert settings() is None
    assert settings(pue=1.4) is None
    whole = {"carbon_g_per_kwh": 350.0, "carbon_source": "me", "carbon_as_of": "2026-01-31"}
    assert settings(**whole) == CarbonSettings(350, 1.0, "me", date(2026, 1, 31))
    with pytest.raises(ConfigurationError, match="carbon_source"):
        settings(**{**whole, "carbon_source": ""})
    with pytest.raises(ConfigurationError, match="write as of which day"):
        settings(**{**whole, "carbon_as_of": "January"})
    with pytest.raises(TraitError):
        settings(pue=0.5)
