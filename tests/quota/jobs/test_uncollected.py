"""The collector of cycles rests during a round of the queue, and is as before after it."""

import gc
from collections.abc import Iterator

import pytest
from sublet_quota.jobs.turns.uncollected import uncollected


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    was_at_work = gc.isenabled()
    yield
    (gc.enable if was_at_work else gc.disable)()


def test_the_collector_rests_meanwhile_and_works_after_it() -> None:
    gc.enable()
    with uncollected():
        assert not gc.isenabled()
    assert gc.isenabled()


def test_one_round_within_another_does_not_set_it_to_work_early() -> None:
    gc.enable()
    with uncollected():
        with uncollected():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()


def test_rounds_that_overlap_leave_it_at_work() -> None:
    gc.enable()
    first, second = uncollected(), uncollected()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    second.__exit__(None, None, None)
    assert gc.isenabled()


def test_a_collector_that_was_at_rest_stays_so() -> None:
    gc.disable()
    with uncollected():
        pass
    assert not gc.isenabled()


def test_a_round_that_fails_sets_it_to_work_again() -> None:
    gc.enable()

    @uncollected()
    def fail() -> None:
        message = "fails"
        raise ValueError(message)

    with pytest.raises(ValueError, match="fails"):
        fail()
    assert gc.isenabled()
