"""How long servers wait for the agents of before, and what that costs afterwards."""

from datetime import timedelta
from typing import Any

import pytest
from sublet_hub.agents.startup_grace import StartupGrace


class SilentFleet:
    """One node never comes back."""

    asked = 0

    def silent_nodes(self) -> tuple[str, ...]:
        self.asked += 1
        return ("gone",)


@pytest.mark.parametrize(("within_s", "asks"), [(3600, 6), (0, 0)])
def test_when_nobody_waits_any_more_reports_look_at_no_nodes(within_s: int, asks: int) -> None:
    fleet: Any = SilentFleet()
    startup_grace = StartupGrace(fleet, timedelta(seconds=within_s))
    for _ in range(5):
        startup_grace.look()
    assert fleet.asked == asks
