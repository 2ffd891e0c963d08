"""A refusal is a value that stays as it was made."""

import pytest
from sublet_quota.refusal import Refusal, RefusalReason


def test_a_refusals_numbers_cannot_be_changed_afterwards() -> None:
    numbers = {"asked_mib": 1}
    refusal = Refusal(RefusalReason.NO_ROOM, "no", numbers)
    numbers["asked_mib"] = 2
    assert refusal.numbers == {"asked_mib": 1}
    with pytest.raises(TypeError):
        refusal.numbers["asked_mib"] = 3  # type: ignore[index]


def test_refusals_with_the_same_words_and_numbers_are_equal() -> None:
    assert Refusal(RefusalReason.NO_ROOM, "no") == Refusal(RefusalReason.NO_ROOM, "no", {})


def test_reasons_are_distinct_words_for_programs() -> None:
    assert len({reason.value for reason in RefusalReason}) == len(RefusalReason)
    assert all(reason.value.replace("-", "").islower() for reason in RefusalReason)
