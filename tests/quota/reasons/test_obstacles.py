"""What keeps a slice from being suspended, and what its owner can do about it."""

import pytest
from sublet_quota.reasons.obstacles import Obstacle, advice_on, unsuspendable_clause

NOTHING_TO_DO = {Obstacle.ENGINE, Obstacle.LOST}
"""The engine is the admin's; of lost memory the reason itself says what to do."""


@pytest.mark.parametrize("obstacle", Obstacle)
def test_every_obstacle_has_its_advice_or_needs_none(obstacle: Obstacle) -> None:
    advice = advice_on(obstacle)
    assert (advice == "") is (obstacle in NOTHING_TO_DO)
    assert advice == "" or advice.endswith(".")


@pytest.mark.parametrize("detail", ["managed memory", "managed memory."])
def test_what_keeps_a_slice_where_it_is_is_a_clause(detail: str) -> None:
    assert unsuspendable_clause(detail) == "cannot be moved out and back: managed memory"
