"""When an agent tries again to reach the hub service."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from sublet_agent.hub_link import connection
from sublet_agent.hub_link.connection import LinkSettings

NEVER: Any = None
SETTINGS = LinkSettings("http://127.0.0.1:1/", NEVER)


class Over(BaseException):
    """Ends the loop."""


def waits_between(monkeypatch: pytest.MonkeyPatch, lasted_s: list[float | None]) -> list[float]:
    """Return how long it waits after links that last so long; ``None``: there was none."""
    clock = SimpleNamespace(now=1000.0)
    clock.monotonic = lambda: clock.now
    made = connection.ServiceLink(
        settings=SETTINGS,
        hello=NEVER,  # type: ignore[arg-type]
        event_log=NEVER,  # type: ignore[arg-type]
        clock=clock,
        status=NEVER,
        assigned=NEVER,
    )
    waits: list[float] = []

    async def connect() -> None:
        lasted = lasted_s.pop(0)
        if lasted is None:
            raise ConnectionRefusedError
        clock.now += lasted
        made._heard_at = clock.now

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        clock.now += seconds
        if not lasted_s:
            raise Over

    monkeypatch.setattr(made, "_connect_once", connect)
    monkeypatch.setattr(connection.asyncio, "sleep", sleep)
    monkeypatch.setattr(connection.random, "uniform", lambda _low, _high: 1.0)
    with pytest.raises(Over):
        asyncio.run(made.run())
    return waits


def test_it_waits_longer_each_time_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    assert waits_between(monkeypatch, [None] * 6) == [0.5, 1, 2, 4, 5, 5]


def test_after_a_link_that_lasted_a_while_it_tries_again_soon(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert waits_between(monkeypatch, [None] * 4 + [7.0, None]) == [0.5, 1, 2, 4, 0.5, 1]


def test_a_link_that_breaks_at_once_is_no_reason_to_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    assert waits_between(monkeypatch, [None, None, 0.1, 0.1]) == [0.5, 1, 2, 4]
