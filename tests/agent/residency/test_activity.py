"""What counts as work, and for how long somebody's word is enough (THREATS 3)."""

from datetime import timedelta

import pytest
from sublet_agent.residency.activity import ActivityRecord, ActivitySettings

from tests.support.agent_cases import START, FakeClock, level

IDLE_AFTER = timedelta(seconds=60)
AGAIN = timedelta(seconds=30)
SETTINGS = ActivitySettings(
    unused_budget=timedelta(seconds=300), claim_counts_for=timedelta(seconds=10)
)


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def activity_record():
    return ActivityRecord(START, SETTINGS)


def active(activity_record, clock):
    return activity_record.judge(IDLE_AFTER, AGAIN, clock.now(), clock.now()).active


def let_pass(activity_record, clock, seconds, each=1, doing=None):
    """Let time pass and judge; returns for how long the slice was active."""
    active_s = 0
    for _ in range(int(seconds / each)):
        clock.passes(each)
        if doing is not None:
            doing()
        active_s += each * active(activity_record, clock)
    return active_s


def test_a_slice_is_active_from_when_it_is_known_until_idle_after(activity_record, clock):
    assert active(activity_record, clock)
    clock.passes(61)
    assert not active(activity_record, clock)


def test_a_slice_whose_use_could_not_be_measured_is_not_taken_for_idle(activity_record, clock):
    activity_record.gpu_is_used(clock.now())
    measured_until = clock.passes(10)
    later = clock.passes(1000)
    assert activity_record.judge(IDLE_AFTER, AGAIN, later, measured_until).active
    assert not activity_record.judge(IDLE_AFTER, AGAIN, later, later).active


def test_a_slice_that_was_given_up_is_idle_before_the_next_measurement(activity_record, clock):
    later = clock.passes(10)
    activity_record.gives_up(IDLE_AFTER, later)
    assert not activity_record.judge(IDLE_AFTER, AGAIN, later, START).active
    measured_until = clock.passes(5)
    activity_record.gpu_is_used(measured_until)
    much_later = clock.passes(1000)
    assert activity_record.judge(IDLE_AFTER, AGAIN, much_later, measured_until).active


def test_a_cell_makes_it_active_and_its_end_too(activity_record, clock):
    clock.passes(100)
    activity_record.cell_enters("c1", "k", clock.now())
    assert active(activity_record, clock)
    clock.passes(50)
    activity_record.kernel_reports(level("k", 2, None), clock.now())
    clock.passes(50)
    assert active(activity_record, clock)


def test_a_cell_at_the_gate_counts_however_late_its_slice_is_judged(activity_record, clock):
    clock.passes(100)
    activity_record.cell_enters("c1", "k", clock.now())
    clock.passes(100)
    activity_record.cell_waits(clock.now())
    assert active(activity_record, clock)


def test_of_a_kernel_that_lets_endless_cells_in_and_never_reports_little_is_kept(
    activity_record, clock
):
    for cell in range(5000):
        activity_record.cell_enters(f"c{cell}", "k", clock.now())
        activity_record.cell_is_let_through(f"c{cell}", "k")
    kept = activity_record._kernels["k"]
    assert len(kept.let_through) <= 256
    assert "c4999" in kept.let_through
    assert len(kept.asked) <= 256


def test_beyond_the_budget_a_cell_that_stays_at_the_gate_counts_once_in_a_time(
    activity_record, clock
):
    let_pass(activity_record, clock, 400, doing=lambda: activity_record.cell_waits(clock.now()))
    active_s = let_pass(
        activity_record, clock, 400, doing=lambda: activity_record.cell_waits(clock.now())
    )
    assert 0 < active_s <= 400 * 10 / 30


def test_a_cell_that_runs_on_without_the_gpu_is_idle_then(activity_record, clock):
    activity_record.cell_enters("c1", "k", clock.now())
    number = iter(range(10_000))

    def still_busy():
        activity_record.kernel_reports(level("k", next(number), "c1"), clock.now())

    assert let_pass(activity_record, clock, 100, each=2, doing=still_busy) <= 62


def test_measured_use_keeps_it_active_whatever_is_said(activity_record, clock):
    def uses():
        activity_record.gpu_is_used(clock.now())

    assert let_pass(activity_record, clock, 3000, each=10, doing=uses) == 3000


def test_a_tenant_that_always_claims_to_be_busy_is_lent_from_after_the_budget(
    activity_record, clock
):
    cells = iter(range(10**6))

    def always_a_new_cell():
        activity_record.cell_enters(f"c{next(cells)}", "k", clock.now())

    assert let_pass(activity_record, clock, 300, doing=always_a_new_cell) >= 290
    assert let_pass(activity_record, clock, 600, doing=always_a_new_cell) <= 600 * 0.3


def test_the_wakes_of_a_spamming_tenant_are_few(activity_record, clock):
    changes, before = 0, True
    for _ in range(3600):
        clock.passes(1)
        activity_record.wakes(clock.now())
        now = active(activity_record, clock)
        changes, before = changes + (now is not before), now
    assert changes <= 2 * 3600 / 30


def test_who_is_doubted_still_gets_a_turn_soon(activity_record, clock):
    cells = iter(range(10**6))
    let_pass(
        activity_record,
        clock,
        400,
        doing=lambda: activity_record.cell_enters(f"c{next(cells)}", "k", clock.now()),
    )
    let_pass(activity_record, clock, 60)
    activity_record.cell_enters("now", "k", clock.now())
    assert let_pass(activity_record, clock, AGAIN.total_seconds() + 1) > 0


def test_a_claim_beyond_the_budget_is_remembered_until_it_may_count(activity_record, clock):
    let_pass(activity_record, clock, 400, doing=lambda: activity_record.wakes(clock.now()))
    while active(activity_record, clock):
        clock.passes(1)
    clock.passes(1)
    activity_record.wakes(clock.now())
    assert not active(activity_record, clock)
    assert let_pass(activity_record, clock, 31) > 0


def test_one_measured_use_makes_up_for_all_claims(activity_record, clock):
    let_pass(activity_record, clock, 400, doing=lambda: activity_record.wakes(clock.now()))
    activity_record.gpu_is_used(clock.now())
    assert let_pass(activity_record, clock, 59) == 59


def test_idle_time_refills_the_budget(activity_record, clock):
    let_pass(activity_record, clock, 400, doing=lambda: activity_record.wakes(clock.now()))
    let_pass(activity_record, clock, 1300, each=10)
    activity_record.wakes(clock.now())
    assert let_pass(activity_record, clock, 59) == 59


def test_waiting_for_a_turn_does_not_wear_off(activity_record, clock):
    activity_record.cell_enters("c1", "k", clock.now())
    assert (
        let_pass(
            activity_record,
            clock,
            600,
            doing=lambda: activity_record.waits_for_its_turn(clock.now()),
        )
        == 600
    )
    assert let_pass(activity_record, clock, 100) <= 60


def test_turns_in_which_nothing_is_shown_come_to_an_end(activity_record, clock):
    activity_record.cell_enters("c1", "k", clock.now())
    has_turn = 0
    while active(activity_record, clock):
        for _ in range(20):
            clock.passes(1)
            activity_record.waits_for_its_turn(clock.now())
            active(activity_record, clock)
        for _ in range(10):
            clock.passes(1)
            has_turn += active(activity_record, clock)
    assert has_turn <= 60


def test_an_old_report_that_comes_late_changes_nothing(activity_record, clock):
    activity_record.kernel_reports(level("k", 5, None), clock.now())
    clock.passes(5)
    activity_record.kernel_reports(level("k", 4, "c"), clock.now())
    assert not activity_record.runs_a_cell(clock.now())


def test_a_cell_is_past_the_gate_from_when_it_is_let_through_until_it_ends(activity_record, clock):
    activity_record.kernel_reports(level("k", 1, "c1"), clock.now())
    assert not activity_record.may_run_a_promised_cell(clock.now())
    activity_record.cell_enters("c1", "k", clock.now())
    activity_record.kernel_reports(level("k", 2, "c1"), clock.now())
    assert not activity_record.may_run_a_promised_cell(clock.now())
    activity_record.cell_is_let_through("c1", "k")
    activity_record.kernel_reports(level("k", 3, "c1"), clock.now())
    assert activity_record.may_run_a_promised_cell(clock.now())
    activity_record.kernel_reports(level("k", 4, "c2"), clock.now())
    assert not activity_record.may_run_a_promised_cell(clock.now())
    activity_record.cell_enters("c2", "k", clock.now())
    activity_record.cell_is_let_through("c2", "k")
    activity_record.kernel_reports(level("k", 5, None), clock.now())
    assert not activity_record.may_run_a_promised_cell(clock.now())


def test_a_cell_that_an_agent_before_let_through_is_known_when_its_kernel_tells(
    activity_record, clock
):
    # However long its recovery took.
    clock.passes(30)
    activity_record.start_listening(clock.now(), promised_before=True)
    assert activity_record.may_run_a_promised_cell(clock.now())
    clock.passes(1)
    activity_record.kernel_reports(level("k", 1, "c1"), clock.now())
    clock.passes(5)
    assert activity_record.may_run_a_promised_cell(clock.now())
    activity_record.kernel_reports(level("late", 1, "c3"), clock.now())
    # It was at the gate: it asks again.
    activity_record.cell_enters("c1", "k", clock.now())
    assert not activity_record.may_run_a_promised_cell(clock.now())


def test_cells_that_run_beside_one_another_each_keep_their_promise(activity_record, clock):
    for cell in ("c1", "c2"):
        activity_record.cell_enters(cell, "k", clock.now())
        activity_record.cell_is_let_through(cell, "k")
    activity_record.kernel_reports(level("k", 1, "c1", "c2"), clock.now())
    activity_record.kernel_reports(level("k", 2, "c1"), clock.now())
    activity_record.cell_enters("c3", "k", clock.now())
    activity_record.kernel_reports(level("k", 3, "c1", "c3"), clock.now())
    assert activity_record.may_run_a_promised_cell(clock.now())
    activity_record.kernel_reports(level("k", 4, "c3"), clock.now())
    assert not activity_record.may_run_a_promised_cell(clock.now())


def test_a_level_after_a_cells_request_that_does_not_name_it_says_that_it_is_over(
    activity_record, clock
):
    """A kernel's requests and levels come in order, so nothing has to be guessed."""
    activity_record.kernel_reports(level("k", 1, "a"), clock.now())
    activity_record.cell_enters("b", "k", clock.now())
    activity_record.cell_is_let_through("b", "k")
    activity_record.kernel_reports(level("k", 2, "a", "b"), clock.now())
    assert activity_record.may_run_a_promised_cell(clock.now())
    activity_record.kernel_reports(level("k", 3, "a"), clock.now())
    assert not activity_record.may_run_a_promised_cell(clock.now())


def test_a_kernel_of_before_that_asks_by_another_connection_may_name_its_cell_later(
    activity_record, clock
):
    gate, levels = object(), object()
    activity_record.cell_enters("b", "k", clock.now())
    activity_record.cell_is_let_through("b", "k", gate)
    activity_record.kernel_reports(level("k", 1, "a"), clock.now(), levels)
    activity_record.kernel_reports(level("k", 2, "b"), clock.now(), levels)
    assert activity_record.may_run_a_promised_cell(clock.now())
    activity_record.kernel_reports(level("k", 3, "c"), clock.now(), levels)
    assert not activity_record.may_run_a_promised_cell(clock.now())


def test_what_is_said_by_the_next_connection_is_later_than_all_before(activity_record, clock):
    first, second = object(), object()
    activity_record.cell_enters("a", "k", clock.now())
    activity_record.cell_is_let_through("a", "k", first)
    activity_record.kernel_reports(level("k", 1, "a"), clock.now(), first)
    activity_record.connection_ends(first, clock.now())
    activity_record.kernel_reports(level("k", 2, "b"), clock.now(), second)
    assert not activity_record.may_run_a_promised_cell(clock.now())


def test_a_cell_that_ended_before_a_level_could_name_it_keeps_no_promise(activity_record, clock):
    activity_record.cell_enters("short", "k", clock.now())
    activity_record.cell_is_let_through("short", "k")
    activity_record.kernel_reports(level("k", 1, "next"), clock.now())
    assert not activity_record.may_run_a_promised_cell(clock.now())


def test_who_asks_before_its_kernels_first_report_was_not_let_through_by_an_agent_before(
    activity_record, clock
):
    activity_record.start_listening(clock.now(), promised_before=True)
    activity_record.cell_enters("asks", "k", clock.now())
    activity_record.kernel_reports(level("k", 1, "runs", "asks"), clock.now())
    clock.passes(4)
    assert activity_record.may_run_a_promised_cell(clock.now())
    activity_record.kernel_reports(level("k", 2, "asks"), clock.now())
    assert not activity_record.may_run_a_promised_cell(clock.now())


def test_what_a_kernel_said_holds_while_it_is_connected_and_a_little_longer(activity_record, clock):
    """One that is frozen for long, or computes without letting others run, cannot repeat it."""
    first, second = object(), object()
    activity_record.kernel_reports(level("k", 1, "c"), clock.now(), first)
    clock.passes(600)
    assert activity_record.runs_a_cell(clock.now())
    activity_record.kernel_reports(level("k", 2, "c"), clock.now(), second)
    activity_record.connection_ends(first, clock.now())
    clock.passes(600)
    assert activity_record.runs_a_cell(clock.now())
    activity_record.connection_ends(second, clock.now())
    clock.passes(9)
    assert activity_record.runs_a_cell(clock.now())
    clock.passes(2)
    assert not activity_record.runs_a_cell(clock.now())


def test_a_slice_is_quiet_since_its_last_cell_began_or_ended(activity_record, clock):
    assert activity_record.quiet_since() == START
    began = clock.passes(10)
    activity_record.kernel_reports(level("a", 1, "c1"), began)
    assert activity_record.quiet_since() == began
    # Long after it has become idle: a cell on the CPU was work, too.
    let_pass(activity_record, clock, 1000, each=10)
    ended = clock.passes(10)
    activity_record.kernel_reports(level("a", 2), ended)
    assert not active(activity_record, clock)
    assert activity_record.quiet_since() == ended


def test_a_cell_ends_the_quiet_of_whoever_is_doubted_too(activity_record, clock):
    activity_record.cell_enters("c1", "a", clock.now())
    let_pass(
        activity_record, clock, 2000, each=10, doing=lambda: activity_record.wakes(clock.now())
    )
    let_pass(activity_record, clock, 20, each=10)
    began = clock.passes(1)
    activity_record.cell_enters("c2", "a", began)
    assert not active(activity_record, clock)
    assert activity_record.quiet_since() == began


def test_use_of_the_gpu_and_a_wake_end_the_quiet(activity_record, clock):
    used = clock.passes(10)
    activity_record.gpu_is_used(used)
    assert activity_record.quiet_since() == used
    woken = clock.passes(10)
    activity_record.wakes(woken)
    assert activity_record.quiet_since() == woken
    given_up = clock.passes(10)
    activity_record.gives_up(IDLE_AFTER, given_up)
    assert activity_record.quiet_since() == given_up


def test_that_the_agent_looks_in_ends_no_quiet(activity_record, clock):
    activity_record.gpu_is_used(clock.passes(10))
    used = clock.now()
    let_pass(activity_record, clock, 2000, each=10)
    activity_record.note_look_in(IDLE_AFTER, clock.now())
    assert active(activity_record, clock)
    assert activity_record.quiet_since() == used


def says_nothing_runs(activity_record, clock):
    """A kernel says that a cell runs, and then that it is over."""
    activity_record.kernel_reports(level("a", 1, "c1"), clock.passes(10))
    activity_record.kernel_reports(level("a", 2), clock.passes(1))
    return clock.now()


def test_an_owner_is_at_rest_since_the_last_cell_ended_once_that_is_no_pause(
    activity_record, clock
):
    ended = says_nothing_runs(activity_record, clock)
    assert activity_record.rests_since(clock.passes(4)) is None
    assert activity_record.rests_since(clock.passes(1)) == ended
    used = clock.passes(1)
    activity_record.gpu_is_used(used)
    assert activity_record.rests_since(clock.passes(4)) is None
    assert activity_record.rests_since(clock.passes(1)) == used


def test_a_cell_at_the_gate_and_one_that_runs_are_no_rest(activity_record, clock):
    says_nothing_runs(activity_record, clock)
    clock.passes(60)
    activity_record.cell_enters("c2", "a", clock.now())
    assert activity_record.rests_since(clock.passes(60)) is None
    activity_record.kernel_reports(level("b", 1, "c1"), clock.now())
    activity_record.kernel_reports(level("a", 3), clock.passes(1))
    assert activity_record.rests_since(clock.passes(60)) is None


def test_who_asked_for_the_slice_waits_for_it_though_no_cell_does(activity_record, clock):
    """By the panel's button, for a widget or a thread: it was never brought back to who rests."""
    says_nothing_runs(activity_record, clock)
    activity_record.wakes(clock.passes(60))
    assert activity_record.rests_since(clock.passes(60)) is None
    used = clock.passes(1)
    activity_record.gpu_is_used(used)
    assert activity_record.rests_since(clock.passes(5)) == used


def test_without_a_kernels_word_it_is_not_known_whether_an_owner_is_at_rest(activity_record, clock):
    activity_record.wakes(clock.passes(10))
    assert activity_record.rests_since(clock.passes(60)) is None


def test_a_kernel_that_said_last_that_a_cell_runs_is_not_taken_to_rest(activity_record, clock):
    connection = object()
    says_nothing_runs(activity_record, clock)
    activity_record.kernel_reports(level("b", 1, "c1"), clock.now(), connection)
    activity_record.connection_ends(connection, clock.passes(1))
    clock.passes(600)
    assert not activity_record.runs_a_cell(clock.now())
    assert activity_record.rests_since(clock.now()) is None


def test_an_agent_that_has_just_begun_takes_nobody_to_rest(activity_record, clock):
    says_nothing_runs(activity_record, clock)
    activity_record.start_listening(clock.passes(60), promised_before=False)
    assert activity_record.rests_since(clock.passes(2)) is None
