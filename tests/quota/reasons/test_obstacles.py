"""What keeps a slice from being suspended, and what its owner can do about it."""

import pytest
from sublet_quota.reasons.obstacles import Obstacle, advice_on

NOTHING_TO_DO = {Obstacle.ENGINE, Obstacle.LOST}
"""The engine is the admin's; of lost memory the reason itself says what to do."""


@pytest.mark.parametrize("obstacle", Obstacle)
def test_every_obstacle_has_its_advice_or_needs_none(obstacle: Obstacle) -> None:
    advice = advice_on(obstacle)
    assert (advice == "") is (obstacle in NOTHING_TO_DO)
    assert advice == "" or advice.endswith(".")
