"""How often one may ask: a bucket each, whose debts end, in bounded memory."""

import pytest
from sublet_hub.security import rate_limits
from sublet_hub.security.rate_limits import Rate, RateLimits

ONE_A_SECOND = Rate(burst=3, per_s=1)


def test_so_many_are_let_in_at_once_and_then_one_after_another() -> None:
    limits = RateLimits(ONE_A_SECOND)
    assert [limits.take_or_wait_s("ada", 0.0) for _ in range(4)] == [0, 0, 0, 1]
    assert limits.take_or_wait_s("ada", 0.5) == 0.5
    assert limits.take_or_wait_s("ada", 1.5) == 0
    assert [limits.take_or_wait_s("ada", 1000.0) for _ in range(4)] == [0, 0, 0, 1]


def test_what_one_takes_nobody_else_waits_for() -> None:
    limits = RateLimits(ONE_A_SECOND)
    for _ in range(10):
        limits.take_or_wait_s("eve", 0.0)
    assert limits.take_or_wait_s("ada", 0.0) == 0


def test_what_turned_out_to_cost_more_is_owed_as_much_as_a_bucket_holds_at_most() -> None:
    limits = RateLimits(ONE_A_SECOND)
    assert limits.take_or_wait_s("ada", 0.0) == 0
    limits.charge("ada", 4)
    assert limits.debt_s("ada", 0.0) == 2
    assert limits.take_or_wait_s("ada", 0.0) == 3
    limits.charge("ada", 1000)
    assert limits.debt_s("ada", 0.0) == ONE_A_SECOND.burst


def test_so_many_buckets_are_kept_and_no_more_those_least_lately_used_are_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever makes addresses up would else fill the memory."""
    monkeypatch.setattr(rate_limits, "_MOST_BUCKETS", 100)
    limits = RateLimits(ONE_A_SECOND)
    limits.take_or_wait_s("ada", 0.0)
    limits.charge("ada", 1000)
    for number in range(1000):
        limits.take_or_wait_s(f"address-{number}", 0.0)
        assert limits.take_or_wait_s("ada", 0.0) > 0, "she is not forgotten, nor what she owes"
    assert len(limits._buckets) == 100
