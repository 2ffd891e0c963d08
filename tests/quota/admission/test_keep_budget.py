"""Keeping a slice from being lent: so much a day."""

from datetime import timedelta

import pytest
from sublet_quota.admission.keep_budget import refuse_keep
from sublet_quota.document.rights import rights_of
from sublet_quota.reasons.refusal import RefusalReason

from tests.support.quota_cases import document

RIGHTS = rights_of(document("everyone: {keep_a_day: 2h}"), "ada", ())


def minutes(number: int) -> timedelta:
    return timedelta(minutes=number)


@pytest.mark.parametrize(("kept", "asked"), [(0, 120), (60, 60), (119, 1), (120, 0), (500, 0)])
def test_within_the_days_budget_a_slice_may_be_kept(kept: int, asked: int) -> None:
    assert refuse_keep(RIGHTS, minutes(kept), minutes(asked)) is None


@pytest.mark.parametrize(
    ("kept", "asked", "left"), [(0, 121, 120), (60, 61, 60), (120, 1, 0), (500, 1, 0)]
)
def test_beyond_it_is_refused_with_what_is_left(kept: int, asked: int, left: int) -> None:
    refusal = refuse_keep(RIGHTS, minutes(kept), minutes(asked))
    assert refusal is not None
    assert refusal.reason is RefusalReason.KEEP_BUDGET
    assert refusal.numbers == {"asked_min": asked, "left_min": left, "most_min": 120}
    advice = f"Ask for {left} min or less" if left else "Try again tomorrow"
    assert advice in refusal.message


def test_who_may_keep_nothing_is_not_told_to_try_tomorrow() -> None:
    rights = rights_of(document("everyone: {keep_a_day: 0}"), "ada", ())
    refusal = refuse_keep(rights, minutes(0), minutes(1))
    assert refusal is not None
    assert "tomorrow" not in refusal.message
