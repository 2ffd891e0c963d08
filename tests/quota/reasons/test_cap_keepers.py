"""What keeps a cap, in words."""

import pytest
from sublet_quota.reasons.cap_keepers import CapKeeper, cap_keepers_told, cap_keepers_words


@pytest.mark.parametrize("keeper", CapKeeper)
def test_everything_that_keeps_a_cap_has_words_of_its_own(keeper: CapKeeper) -> None:
    words = cap_keepers_words(keeper.value)
    assert words
    assert words not in {cap_keepers_words(each.value) for each in CapKeeper if each is not keeper}


def test_several_are_told_in_their_order_and_what_is_not_known_is_left_out() -> None:
    told = cap_keepers_told((CapKeeper.SIMULATED, CapKeeper.WATCH))
    assert told == "simulated,watch"
    assert cap_keepers_words(f"magic,{told}") == (
        "the simulated card's client, each program by itself; "
        "the watch of the node's agent: who is over is warned and makes way first"
    )
    assert cap_keepers_words("") == ""
