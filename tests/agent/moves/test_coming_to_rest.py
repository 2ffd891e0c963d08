"""Who comes to rest slowly for another's turn, and who is left alone as that does not work."""

from sublet_agent.moves.coming_to_rest import ComingToRest
from sublet_quota.compute.card_use import NotPausable
from sublet_quota.names.ids import SliceId

A = SliceId("a")


def fail(seen, now_s, times=3):
    return [seen.note_late(A, 0.05, now_s) for _ in range(times)]


def test_who_was_slow_lately_is_slow_though_a_kernel_ended_soon_once():
    seen = ComingToRest()
    seen.note_paused(A, 0.02)
    seen.note_paused(A, 0.001)
    assert seen.is_slow(A)
    for _ in range(100):
        seen.note_paused(A, 0.001)
    assert not seen.is_slow(A)


def test_who_is_late_three_times_one_after_another_is_left_alone():
    seen = ComingToRest()
    assert fail(seen, 0.0, 2) == [False, False]
    seen.note_paused(A, 0.01)
    assert fail(seen, 0.0) == [False, False, True]
    assert seen.why_not(A, 59.0) is NotPausable.LONG_KERNELS
    assert seen.why_not(A, 61.0) is None


def test_who_is_left_alone_again_is_so_for_twice_as_long_unless_it_was_paused_often_since():
    seen = ComingToRest()
    fail(seen, 0.0)
    fail(seen, 100.0)
    assert (seen.why_not(A, 219.0), seen.why_not(A, 221.0)) == (NotPausable.LONG_KERNELS, None)
    for _ in range(100):
        seen.note_paused(A, 0.001)
    fail(seen, 300.0)
    assert seen.why_not(A, 361.0) is None


def test_who_can_never_be_paused_is_left_alone_at_once():
    seen = ComingToRest()
    assert seen.note_failed(A, 0.0, never=True)
    assert seen.why_not(A, 1.0) is NotPausable.CANNOT_BE_PAUSED
