"""What the service says counts while it is fresh: neither recorded nor kept back, nor another's."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from ssl import PROTOCOL_TLS_SERVER, SSLContext
from typing import Any

import pytest
from sublet_agent.hub_link.connection import LinkSettings, ServiceLink
from sublet_quota.wire.agent_link import Assignments, Hello, Status

from tests.support.fake_service_link import FakeServiceLink
from tests.support.kube.certificates import Keys, make_keys

pytestmark = pytest.mark.asyncio
SILENCE_S = 30.0


@dataclass
class Clock:
    """Stands still until a test moves it."""

    now: float = 1000.0

    def monotonic(self) -> float:
        return self.now


class NoEvents:
    """An agent to which nothing happens."""

    def first(self, _most: int) -> tuple[()]:
        return ()


@dataclass
class Node:
    """An agent's end of the link, and the service's."""

    clock: Clock
    service: FakeServiceLink
    link: ServiceLink
    assigned: list[Assignments] = field(default_factory=list)

    async def until(self, holds: Callable[[], Any]) -> None:
        async with asyncio.timeout(60):
            while not holds():  # noqa: ASYNC110 - told in another thread
                await asyncio.sleep(0.01)

    async def status_after(self, status: Status | None) -> Status:
        """Return the first status that the service has after this one."""
        await self.until(
            lambda: (
                self.service.status is not None
                and (status is None or self.service.status.sequence > status.sequence)
            )
        )
        assert self.service.status is not None
        return self.service.status

    async def after_what_is_said_now(self, words: str, log: pytest.LogCaptureFixture) -> None:
        log.clear()
        self.service.push()
        await self.until(lambda: words in log.text)


@asynccontextmanager
async def a_node(
    tmp_path: Path,
    ca_file: Path | None = None,
    status_period_s: float = 0.1,
    at: str = "",
    **service: Any,
) -> AsyncIterator[Node]:
    fake = FakeServiceLink(beat_s=600, **service)
    await asyncio.to_thread(fake.start)
    (tmp_path / "secret").write_text(fake.secret)
    clock, assigned = Clock(), []

    def status(epoch: int, sequence: int, acknowledged: int) -> Status:
        return Status(
            epoch=epoch,
            sequence=sequence,
            acknowledged=acknowledged,
            at=datetime.now(UTC),
            gpus=(),
            slices=(),
        )

    settings = LinkSettings(
        at or fake.url,
        tmp_path / "secret",
        ca_file,
        status_period_s=status_period_s,
        silence_s=SILENCE_S,
        first_retry_s=0.05,
    )
    link = ServiceLink(
        settings=settings,
        hello=lambda nonce: Hello(node="node-a", boot_id="b", version="0", nonce=nonce),
        event_log=NoEvents(),  # type: ignore[arg-type]
        clock=clock,  # type: ignore[arg-type]
        status=status,
        assigned=assigned.append,
    )
    running = asyncio.create_task(link.run())
    try:
        yield Node(clock, fake, link, assigned)
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        await asyncio.to_thread(fake.stop)


async def test_a_welcome_that_repeats_another_greetings_nonce_is_no_welcome(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with a_node(tmp_path, nonce="0" * 32) as node:
        await node.until(lambda: "another greeting than this connection's" in caplog.text)
        assert node.assigned == []
        node.service.nonce = ""
        await node.until(lambda: node.assigned)


async def test_each_connection_greets_with_another_nonce(tmp_path: Path) -> None:
    async with a_node(tmp_path) as node:
        await node.until(lambda: node.assigned)
        node.service.drop()
        await node.until(lambda: len(node.service.hellos) == 2)
        first, second = (hello.nonce for hello in node.service.hellos)
        assert first != second


async def test_a_service_that_begins_again_with_old_epochs_is_not_believed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with a_node(tmp_path) as node:
        await node.until(lambda: node.assigned)
        node.service.drop()
        await node.until(lambda: node.assigned[-1].epoch == 2)
        node.service.epoch = 0
        node.service.drop()
        await node.until(lambda: "an old copy of the service" in caplog.text)
        assert {each.epoch for each in node.assigned} == {1, 2}


async def test_what_was_said_on_another_connection_is_not_obeyed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with a_node(tmp_path) as node:
        await node.status_after(None)
        node.service.said_epoch = 99
        node.service.lending = False
        await node.after_what_is_said_now("assignments of epoch 99 ignored", caplog)
        assert all(each.lending for each in node.assigned)


async def test_what_was_said_before_is_not_obeyed_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with a_node(tmp_path) as node:
        await node.until(lambda: node.assigned)
        node.service.push()
        await node.until(lambda: node.assigned[-1].sequence == 2)
        node.service.sequence = 0
        node.service.lending = False
        await node.after_what_is_said_now("a newer one came", caplog)
        assert all(each.lending for each in node.assigned)


async def test_what_answers_a_status_from_before_the_silence_is_not_obeyed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with a_node(tmp_path) as node:
        old = await node.status_after(None)
        node.service.heard = old.sequence
        node.clock.now += SILENCE_S + 1
        await node.status_after(await node.status_after(old))
        node.service.lending = False
        await node.after_what_is_said_now("older than 30 s", caplog)
        assert all(each.lending for each in node.assigned)
        assert node.link.silent


async def test_what_answers_the_last_status_is_not_obeyed_either_once_that_is_old(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with a_node(tmp_path, status_period_s=3600) as node:
        await node.until(lambda: node.service.status and node.service.status.acknowledged == 1)
        assert node.service.status is not None
        node.service.heard = node.service.status.sequence
        node.clock.now += SILENCE_S + 1
        node.service.lending = False
        await node.after_what_is_said_now("older than 30 s", caplog)
        assert all(each.lending for each in node.assigned)


async def test_what_answers_a_status_that_was_never_sent_is_not_obeyed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with a_node(tmp_path) as node:
        await node.status_after(None)
        node.service.heard = 10**6
        node.service.lending = False
        await node.after_what_is_said_now("ignored", caplog)
        assert all(each.lending for each in node.assigned)


async def test_what_was_kept_back_for_a_while_counts_from_what_it_answers(tmp_path: Path) -> None:
    async with a_node(tmp_path) as node:
        old = await node.status_after(None)
        # On a busy machine the welcome's assignments may come after the first status.
        await node.until(lambda: node.assigned)
        node.service.heard = old.sequence
        node.clock.now += SILENCE_S - 1
        node.service.lending = False
        node.service.push()
        await node.until(lambda: not node.assigned[-1].lending)
        assert not node.link.silent
        node.clock.now += 2
        assert node.link.silent


async def test_who_answers_each_status_is_not_silent(tmp_path: Path) -> None:
    async with a_node(tmp_path) as node:
        for _ in range(3):
            node.clock.now += SILENCE_S - 1
            await node.status_after(await node.status_after(node.service.status))
            already = len(node.assigned)
            node.service.push()
            await node.until(lambda already=already: len(node.assigned) > already)
            assert not node.link.silent


def _keys(folder: Path, name: str = "127.0.0.1") -> Keys:
    folder.mkdir()
    return make_keys(folder, [name], datetime.now(UTC))


def _served(keys: Keys) -> SSLContext:
    context = SSLContext(PROTOCOL_TLS_SERVER)
    context.load_cert_chain(keys.server_certificate, keys.server_key)
    return context


async def test_a_service_whose_certificate_is_another_authoritys_learns_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    ours, theirs = _keys(tmp_path / "ours"), _keys(tmp_path / "theirs")
    async with a_node(tmp_path, ours.authority, certificate=_served(theirs)) as node:
        await node.until(lambda: _said(caplog))
        assert "certificate is refused: " in _said(caplog)[0]
        assert f"ca_file {ours.authority}" in _said(caplog)[0]
        assert node.service.hellos == []
        assert node.service.refused == []
        # Read again for each connection: the admin has named the right one.
        ours.authority.write_bytes(theirs.authority.read_bytes())
        await node.until(lambda: node.assigned)


async def test_it_is_told_for_whom_a_certificate_is_not(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    keys = _keys(tmp_path / "keys", "192.0.2.1")
    async with a_node(tmp_path, keys.authority, certificate=_served(keys)) as node:
        await node.until(lambda: _said(caplog))
        assert "not valid for '127.0.0.1'" in _said(caplog)[0]


async def test_a_connection_that_ends_before_tls_begins_is_told_as_that(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, a_node(tmp_path, at=f"https://127.0.0.1:{port}/") as node:
        await node.until(lambda: _said(caplog))
    assert "certificate" not in _said(caplog)[0]


def _said(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the agent's own words: tornado has others in the same log."""
    return [r.getMessage() for r in caplog.records if r.name.startswith("sublet_agent.")]
