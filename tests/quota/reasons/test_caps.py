"""What is said of a slice that holds more than its cap."""

from sublet_quota.reasons.caps import OVER_CAP_ADVICE, OverCap, over_cap_clause


def test_a_slice_over_its_cap_is_told_by_both_amounts() -> None:
    clause = over_cap_clause(OverCap(held_mib=41 * 1024, cap_mib=40 * 1024))
    assert clause == "holds 41 GiB on the GPU, more than its cap of 40 GiB"


def test_its_owner_is_told_what_to_do() -> None:
    assert OVER_CAP_ADVICE.endswith(".")
