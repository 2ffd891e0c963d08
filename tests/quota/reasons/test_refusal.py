"""A refusal is a value that stays as it was made."""

import pytest
from sublet_quota.reasons.refusal import Refusal, RefusalReason, quoted


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


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("small", "'small'"),
        ("a\nINFO all is well", r"'a\nINFO all is well'"),
        ("\x1b[31m", r"'\x1b[31m'"),
        ("x" * 100, "'" + "x" * 57 + "...'"),
        ("", "''"),
    ],
)
def test_what_somebody_sent_is_quoted_on_one_line(sent: str, shown: str) -> None:
    assert quoted(sent) == shown
