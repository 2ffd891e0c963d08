"""What keeps a cap, in words."""

import pytest
from sublet_quota.reasons.cap_keepers import (
    DRIVER_IF_ABLE,
    CapKeeper,
    DriverLimit,
    cap_keepers_meaning,
    cap_keepers_of,
    cap_keepers_with,
    cap_keepers_words,
    driver_limit_meaning,
)


@pytest.mark.parametrize("words_of", [cap_keepers_words, cap_keepers_meaning])
@pytest.mark.parametrize("keeper", CapKeeper)
def test_everything_that_keeps_a_cap_has_words_of_its_own(keeper, words_of) -> None:
    words = words_of([keeper])
    assert words
    assert words not in {words_of([each]) for each in CapKeeper if each is not keeper}


@pytest.mark.parametrize("keeper", CapKeeper)
def test_what_keeps_a_cap_has_two_lines_of_the_panel_at_most(keeper: CapKeeper) -> None:
    two_lines = 30
    assert len(cap_keepers_words([keeper, CapKeeper.WATCH])) <= two_lines


def test_several_are_told_in_their_order_and_what_is_not_known_is_left_out() -> None:
    keepers = cap_keepers_of(("magic", "framework", "watch"), simulated=False)
    assert cap_keepers_words(keepers) == "PyTorch and JAX, the watch"
    assert cap_keepers_meaning(keepers) == (
        "PyTorch and JAX, each program by itself; "
        "the watch of the node's agent: who is over is warned and makes way first"
    )


@pytest.mark.parametrize(
    ("told", "simulated", "keepers"),
    [
        ((), False, (CapKeeper.FRAMEWORK, CapKeeper.WATCH)),
        ((), True, (CapKeeper.SIMULATED, CapKeeper.WATCH)),
        (("hami",), False, (CapKeeper.HAMI,)),
        (("hami",), True, (CapKeeper.SIMULATED, CapKeeper.WATCH)),
    ],
)
def test_the_card_tells_where_no_engine_does(told, simulated, keepers) -> None:
    assert cap_keepers_of(told, simulated=simulated) == keepers


def test_what_is_only_asked_of_the_driver_is_no_keeper() -> None:
    told = ("watch", DRIVER_IF_ABLE)
    assert cap_keepers_of(told, simulated=False) == (CapKeeper.WATCH,)


@pytest.mark.parametrize("limit", DriverLimit)
@pytest.mark.parametrize("simulated", [False, True])
def test_the_driver_is_told_to_keep_a_cap_where_its_limit_is_set_and_nowhere_else(
    limit: DriverLimit, *, simulated: bool
) -> None:
    keepers = cap_keepers_with(limit, simulated=simulated)
    assert (CapKeeper.DRIVER in keepers) is (limit is DriverLimit.KEPT)
    assert CapKeeper.WATCH in keepers
    assert CapKeeper.FRAMEWORK not in keepers


@pytest.mark.parametrize("limit", [each for each in DriverLimit if each is not DriverLimit.KEPT])
def test_every_reason_why_the_driver_keeps_nothing_has_words_of_its_own(
    limit: DriverLimit,
) -> None:
    words = driver_limit_meaning(limit)
    assert words.startswith("not the driver, because ")
    assert words not in {driver_limit_meaning(each) for each in DriverLimit if each is not limit}


def test_where_the_driver_keeps_the_cap_nothing_is_missing() -> None:
    assert driver_limit_meaning(DriverLimit.KEPT) == ""
