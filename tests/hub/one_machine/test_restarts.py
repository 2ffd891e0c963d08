"""What follows the end of a part: a pause that grows, or no more."""

import pytest
from sublet_hub.one_machine.restarts import (
    LONG_ENOUGH_S,
    PAUSES_S,
    SETTINGS_EXIT,
    GoneForGood,
    StartAgain,
    after_end,
    words_of,
)

MANY = len(PAUSES_S)


@pytest.mark.parametrize(
    ("status", "lived_s", "ends_before", "follows"),
    [
        (-9, 3600, 0, StartAgain(0)),
        (0, 3600, 0, StartAgain(0)),
        (1, 5, 0, StartAgain(0)),
        (1, 5, 1, StartAgain(1)),
        (1, 5, 4, StartAgain(8)),
        (1, 5, MANY - 1, StartAgain(30)),
        (1, LONG_ENOUGH_S, MANY, StartAgain(0)),
    ],
    ids=[
        "killed",
        "told to end",
        "ended early",
        "twice",
        "five times",
        "the last try",
        "lived long since",
    ],
)
def test_a_part_that_ends_is_started_again_after_a_pause_that_grows(
    status, lived_s, ends_before, follows
):
    assert after_end(status, lived_s, ends_before) == follows


def test_a_part_that_only_ends_is_given_up_with_the_number_of_times():
    given_up = after_end(1, 5, MANY)
    assert isinstance(given_up, GoneForGood)
    assert "8 times in a row" in given_up.why


def test_a_part_that_cannot_work_as_it_is_set_up_is_not_tried_again():
    assert after_end(SETTINGS_EXIT, 3600, 0) == GoneForGood("it cannot work as it is set up")


@pytest.mark.parametrize(
    ("status", "words"),
    [(1, "ended with status 1"), (-9, "was ended by SIGKILL"), (-200, "was ended by signal 200")],
)
def test_how_a_part_ended_is_told_in_words(status, words):
    assert words_of(status) == words
