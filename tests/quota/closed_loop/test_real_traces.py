"""Published traces run through the closed loop, where their folder is there."""

from datetime import timedelta
from fractions import Fraction

import pytest
from sublet_quota.closed_loop.asks.trace_table import read_trace
from sublet_quota.closed_loop.figures import figures_of

from tests.support.loop_cases import MONDAY, cards, scene
from tests.support.loop_rules import watched
from tests.support.real_traces import BURSTS, MISSING, PODS, job_rows, sessions

DAYS = timedelta(days=3)
POOL = "pools: [{name: one, turn: 10m, default: true}]\n"
GROUPS = POOL + "groups: {a: {guaranteed: {H100: 2}}, b: {guaranteed: {H100: 1}}, c: {}}"
NAMES = ("a", "b", "c")


@pytest.mark.skipif(not BURSTS.is_file(), reason=MISSING)
def test_real_sessions_keep_their_state_and_have_what_is_guaranteed() -> None:
    asked = sessions(MONDAY, 7, 1, NAMES, Fraction(1, 2))
    record = watched(scene(GROUPS, asked, timedelta(days=1), on=cards(12)))
    figures = figures_of(record)
    assert figures.refused_within_guarantee == 0
    assert figures.servers_granted > 20
    assert sum(waits.count for waits in figures.cells.values()) > 100


@pytest.mark.skipif(not PODS.is_file(), reason=MISSING)
def test_real_jobs_are_read_as_a_table_and_run() -> None:
    rows = list(job_rows(200, 12_000_000, 12_900_000, NAMES))
    asked = read_trace(rows, MONDAY)
    assert len(asked) == len(rows) - 1 > 100
    figures = figures_of(watched(scene(GROUPS, asked, DAYS, on=cards(6))))
    assert figures.jobs_done > 20
