"""What Prometheus reads of budgets: of groups together, and never of one person."""

from pathlib import Path

import pytest
from sublet_quota.budgets.charge import US_PER_HOUR, HeldKind, HeldTime
from sublet_quota.budgets.period import hour_of
from sublet_quota.budgets.spending import ChargedHour
from sublet_quota.names.ids import GroupName, UserName

from tests.support.hub_world import FakeHub, hub_world, settings_for

# Of rolling periods: one of the calendar may end in the middle of a test.
QUOTA = """
groups:
  science:
    budget: {hours: 100, per: 365d}
    groups:
      nlp: {budget: {hours: 4, per: 365d, each: {hours: 3}}}
  free: {}
"""


@pytest.mark.asyncio
async def test_a_groups_budget_is_told_and_no_persons(tmp_path: Path, hub: FakeHub) -> None:
    (tmp_path / "quota.yaml").write_text(QUOTA)
    settings = settings_for(tmp_path, quota_file=tmp_path / "quota.yaml")
    async with hub_world(tmp_path, hub, settings) as world:
        hour = hour_of(world.service.now())
        time = HeldTime(HeldKind.USED, True, 1, 5 * US_PER_HOUR)
        part = ChargedHour(hour, GroupName("nlp"), UserName("ada"), "Simulated", time)
        world.service.budgets.take([part])
        await world.service.budgets.look()
        told = [
            line
            for line in world.service.metrics.text().decode().splitlines()
            if line.startswith("sublet_group_budget")
        ]
        assert sorted(told) == [
            'sublet_group_budget_charged_hours{group="nlp",parent="science"} 5.0',
            'sublet_group_budget_charged_hours{group="science",parent=""} 5.0',
            'sublet_group_budget_left_hours{group="nlp",parent="science"} 0.0',
            'sublet_group_budget_left_hours{group="science",parent=""} 95.0',
            'sublet_group_budget_over{group="nlp",parent="science"} 1.0',
            'sublet_group_budget_over{group="science",parent=""} 0.0',
        ]
