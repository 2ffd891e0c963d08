"""Idle servers: nobody's is ended before its time, nor without a warning in time."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sublet_quota.life_cycles.idle_servers import IdleServer, IdleStage

START = datetime(2026, 11, 30, 8, tzinfo=UTC)
H = timedelta(hours=1)


def idle(**more: datetime | timedelta | bool) -> IdleServer:
    return IdleServer(**{"idle_since": START, "max_idle": 8 * H, **more})


CASES = {
    "the end is not near": (idle(), 7, IdleStage.IDLE, 8),
    "half an hour before": (idle(), 7.5, IdleStage.TO_WARN, 8),
    "warned": (idle(warned_at=START + 7.5 * H), 7.9, IdleStage.WARNED, 8),
    "warned, and its time is over": (idle(warned_at=START + 7.5 * H), 8, IdleStage.DUE, 8),
    "of an hour the last quarter": (idle(max_idle=H), 0.75, IdleStage.TO_WARN, 1),
    "found late it is warned first": (idle(), 20, IdleStage.TO_WARN, 20.5),
    "warned late it has the time of a warning": (
        idle(warned_at=START + 20 * H),
        20.4,
        IdleStage.WARNED,
        20.5,
    ),
    "put off": (idle(extended_until=START + 15 * H), 8, IdleStage.IDLE, 15),
    "put off after a warning it is warned again": (
        idle(extended_until=START + 15 * H, warned_at=START + 7.5 * H),
        8,
        IdleStage.IDLE,
        15,
    ),
    "what was put off before it was idle counts for nothing": (
        idle(extended_until=START + 2 * H),
        7,
        IdleStage.IDLE,
        8,
    ),
    "spared while a job of it goes on": (
        idle(warned_at=START + 7.5 * H, has_job=True),
        20,
        IdleStage.SPARED,
        None,
    ),
    "its time begins anew when the job ends": (
        idle(job_ended_at=START + 6 * H),
        8,
        IdleStage.IDLE,
        14,
    ),
    "a job that ended before it was idle counts for nothing": (
        idle(job_ended_at=START - H),
        7.5,
        IdleStage.TO_WARN,
        8,
    ),
    "kept": (idle(kept_until=START + 10 * H), 9, IdleStage.IDLE, 10),
}


@pytest.mark.parametrize("name", CASES)
def test_how_far_a_server_is_from_its_end(name: str) -> None:
    server, hours, stage, end = CASES[name]
    now = START + hours * H
    expected = None if end is None else START + end * H
    assert (server.stage(now), server.ends_at(now)) == (stage, expected)


moments = st.integers(0, 100_000).map(lambda s: START + timedelta(seconds=s))
servers = st.builds(
    IdleServer,
    moments,
    st.integers(1, 50_000).map(lambda s: timedelta(seconds=s)),
    st.none() | moments,
    st.none() | moments,
    st.none() | moments,
    st.none() | moments,
    st.booleans(),
)


@given(servers, moments)
def test_nobody_is_ended_too_soon_or_without_a_warning(server: IdleServer, now: datetime) -> None:
    ends_at = server.ends_at(now)
    if ends_at is None:
        assert server.has_job
        return
    assert not server.has_job
    if server.stage(now) is not IdleStage.DUE:
        assert ends_at > now
        return
    for since in (server.idle_since, server.job_ended_at):
        assert since is None or now - since >= server.max_idle
    assert server.warned_at is not None
    assert now - server.warned_at >= server.warning_time
    for end in (server.extended_until, server.kept_until):
        assert end is None or end <= now


@given(servers, moments, moments)
def test_what_is_due_stays_due(server: IdleServer, one: datetime, other: datetime) -> None:
    earlier, later = sorted((one, other))
    if server.stage(earlier) is IdleStage.DUE:
        assert server.stage(later) is IdleStage.DUE
