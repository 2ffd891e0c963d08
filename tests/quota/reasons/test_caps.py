"""What is said of a slice that comes to its cap, or has more."""

from datetime import UTC, datetime

from sublet_quota.reasons.caps import (
    NEAR_CAP_ADVICE,
    OVER_CAP_ADVICE,
    CapUse,
    near_cap_clause,
    over_cap_advice,
    over_cap_clause,
)
from sublet_quota.reasons.moments import moment_words


def test_a_slice_over_its_cap_is_told_by_both_amounts() -> None:
    use = CapUse(held_mib=41 * 1024, cap_mib=40 * 1024)
    assert (use.is_over, use.is_near) == (True, False)
    assert over_cap_clause(use) == "holds 41 GiB, more than its cap of 40 GiB"


def test_a_slice_near_its_cap_is_told_by_both_amounts() -> None:
    use = CapUse(held_mib=40 * 1024, cap_mib=40 * 1024)
    assert (use.is_over, use.is_near) == (False, True)
    assert near_cap_clause(use) == "holds 40 GiB, almost all of its cap of 40 GiB"


def test_its_owner_is_told_what_to_do_and_of_an_end_when_that_is() -> None:
    assert NEAR_CAP_ADVICE.endswith(".")
    assert over_cap_advice(None) == OVER_CAP_ADVICE
    at = datetime(2026, 12, 1, 12, 0, tzinfo=UTC)
    told = over_cap_advice(at)
    assert told.startswith(f"With more than its cap it is ended at {moment_words(at)}. ")
    assert told.endswith(OVER_CAP_ADVICE)
