"""Who else uses a GPU, in words."""

import pytest
from sublet_quota.reasons.foreign_processes import foreign_clause


def test_one_process_is_told_with_what_it_holds_and_what_follows() -> None:
    assert foreign_clause(1, (42,), 2048) == (
        "process 42 of no slice holds 2 GiB: nothing is suspended or resumed on this GPU until it "
        "ends"
    )


@pytest.mark.parametrize(
    ("count", "percent", "words"),
    [
        (1, 50, "holds 512 MiB and uses 50 % of its time: "),
        (2, 50, "hold 512 MiB and use 50 % of its time: "),
        (1, 0, "holds 512 MiB: "),
        (1, None, "holds 512 MiB: "),
    ],
)
def test_what_they_use_is_told_where_they_do(count: int, percent: int | None, words: str) -> None:
    assert words in foreign_clause(count, (42, 43)[:count], 512, utilisation_percent=percent)


def test_several_are_told_together() -> None:
    assert foreign_clause(2, (42, 43), 512).startswith(
        "processes 42, 43 of no slice hold 512 MiB: "
    )


def test_those_that_are_not_named_are_counted() -> None:
    assert foreign_clause(25, (1, 2), 512).startswith("processes 1, 2 and 23 more of no slice hold")
