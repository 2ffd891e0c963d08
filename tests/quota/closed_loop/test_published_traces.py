"""Published traces as they are published: a few rows of each form, made up."""

from datetime import timedelta
from fractions import Fraction

import pytest
from sublet_quota.closed_loop.asks.asked import AskedJob, AskedServer
from sublet_quota.closed_loop.asks.published import reading
from sublet_quota.closed_loop.asks.published.reading import (
    Taken,
    format_of,
    is_gavel_trace,
    read_published,
)
from sublet_quota.closed_loop.asks.trace_row import TraceError

from tests.support.loop_cases import HOUR, MINUTE, MONDAY

BURSTS = (
    "session_id,start_min,duration_min,num_gpu,idle_gap_before_min",
    "7,1500,3,1,",
    "7,1520,10,4,17",
    "8,10,3,1,",
)
HEADING = "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,qos,pod_phase,creation_time"
PODS = (
    f"{HEADING},deletion_time,scheduled_time",
    "pod-0,12000,16384,1,460,,LS,Running,10,3610,10",
    "pod-1,12000,16384,2,1000,,LS,Running,20,7220,20",
    "pod-2,12000,16384,0,0,,LS,Running,30,3630,30",
    "pod-3,12000,16384,1,1000,,LS,Pending,40,,",
)


def test_bursts_of_a_session_are_the_cells_of_one_notebook() -> None:
    found = format_of(BURSTS[0])
    assert found is not None
    taken = Taken(MONDAY, ("a", "b"), Fraction(1, 2), first_day=1, days=1)
    (server,) = read_published(found, BURSTS, taken)
    assert isinstance(server, AskedServer)
    assert server.at == MONDAY + HOUR
    assert [(c.thinks, c.works) for c in server.cells] == [
        (timedelta(), 3 * MINUTE),
        (17 * MINUTE, 10 * MINUTE),
    ]
    assert server.cards == Fraction(1, 2)
    assert server.groups in {("a",), ("b",)}


def test_pods_with_gpus_are_jobs() -> None:
    found = format_of(PODS[0])
    assert found is not None
    jobs = read_published(found, PODS, Taken(MONDAY))
    assert all(isinstance(job, AskedJob) for job in jobs)
    assert [(job.name, job.cards, job.works) for job in jobs if isinstance(job, AskedJob)] == [
        ("pod-0/0", Fraction(460, 1000), HOUR),
        ("pod-1/0", 2, 2 * HOUR),
    ]
    assert all(job.groups == () for job in jobs)


def test_a_number_that_is_none_is_told_with_line_and_column() -> None:
    found = format_of(BURSTS[0])
    assert found is not None
    with pytest.raises(TraceError, match="line 2, start_min: 'soon' is no number"):
        read_published(found, [BURSTS[0], "7,soon,3,1,"], Taken(MONDAY))


@pytest.mark.parametrize(
    ("row", "what"),
    [
        ("pod-0,1,1,inf,460,,LS,Running,10,3610,10", "num_gpu: 'inf'"),
        ("pod-0,1,1,nan,460,,LS,Running,10,3610,10", "num_gpu: 'nan'"),
        ("pod-0,1,1,1,-5,,LS,Running,10,3610,10", "gpu_milli: '-5'"),
        ("pod-0,1,1,1,460,,LS,Running,10,inf,10", "deletion_time: 'inf'"),
        ("pod-0,1,1,1,460,,LS,Running,10,1e300,10", "deletion_time: '1e300'"),
    ],
)
def test_a_number_that_cannot_be_meant_is_told_alike(row: str, what: str) -> None:
    found = format_of(PODS[0])
    assert found is not None
    with pytest.raises(TraceError, match=f"line 2, {what} is no number"):
        read_published(found, [PODS[0], row], Taken(MONDAY))


def test_what_is_in_no_published_form_is_told_apart() -> None:
    assert format_of("arrival,owner,group,duration,size") is None
    assert format_of("") is None
    assert is_gavel_trace("Transformer\tcd %s\t-step\t1\t13407515\t0.000000\t1")
    assert not is_gavel_trace(BURSTS[0])


def test_a_cell_or_a_heading_longer_than_any_is_told() -> None:
    # Longer than what is raised, for the whole process, where a table of our own is read.
    long = "x" * (2**24 + 1)
    assert format_of(f"session_id,{long}") is None
    found = format_of(BURSTS[0])
    assert found is not None
    with pytest.raises(TraceError, match="line 1: field larger than field limit"):
        read_published(found, [BURSTS[0], f"{long},1,3,1,"], Taken(MONDAY))


def test_a_short_trace_that_asks_for_very_many_is_refused_before_all_are_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reading, "_MOST", 10)
    pods, bursts = format_of(PODS[0]), format_of(BURSTS[0])
    assert pods is not None
    assert bursts is not None
    many = [PODS[0], *(f"pod-{n},1,1,6,1000,,LS,Running,10,3610,10" for n in range(2))]
    with pytest.raises(TraceError, match="line 3: these are more than 10"):
        read_published(pods, many, Taken(MONDAY))
    with pytest.raises(TraceError, match="line 13: these are more than 10"):
        read_published(bursts, [BURSTS[0], *["7,1,3,1,"] * 20], Taken(MONDAY))
