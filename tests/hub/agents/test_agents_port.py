"""The agents' own port: https, nothing else there, and a certificate that is renewed in place."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from ssl import SSLCertVerificationError

import pytest
from sublet_hub.app.application import SubletHub
from sublet_hub.app.loops import Loop
from sublet_hub.errors import ConfigurationError
from tornado.httpclient import HTTPRequest, HTTPResponse
from tornado.simple_httpclient import SimpleAsyncHTTPClient

from tests.support.closing import close_connections
from tests.support.fake_agent import FakeAgent
from tests.support.hub_world import NODE_SECRET, PREFIX, HubWorld, until
from tests.support.kube.certificates import Keys, make_keys
from tests.support.ports import free_port

pytestmark = pytest.mark.asyncio


def _keys(folder: Path) -> Keys:
    folder.mkdir()
    return make_keys(folder, ["127.0.0.1"], datetime.now(UTC))


@dataclass
class Port:
    """The port, and who connects to it."""

    number: int
    renewal: Loop

    def renew(self) -> None:
        self.renewal.step()

    async def get(self, path: str, keys: Keys) -> HTTPResponse:
        client = SimpleAsyncHTTPClient(force_instance=True)
        url = f"https://127.0.0.1:{self.number}{path}"
        try:
            return await client.fetch(
                HTTPRequest(url, ca_certs=str(keys.authority), request_timeout=60),
                raise_error=False,
            )
        finally:
            client.close()

    async def agent(self, keys: Keys) -> FakeAgent:
        url = f"wss://127.0.0.1:{self.number}{PREFIX}api/agents/link"
        return await FakeAgent(url, NODE_SECRET, ca_file=str(keys.authority)).connect()


@asynccontextmanager
async def a_port(world: HubWorld, keys: Keys) -> AsyncIterator[Port]:
    options = SubletHub(
        agents_port=free_port(),
        certificate_file=str(keys.server_certificate),
        key_file=str(keys.server_key),
    )
    made = options.listen_to_agents(world.assembly.connections, PREFIX, "127.0.0.1")
    assert made is not None
    server, renewal = made
    try:
        yield Port(options.agents_port, renewal)
    finally:
        server.stop()
        await close_connections(server)


async def test_an_agent_connects_by_https(world: HubWorld, tmp_path: Path) -> None:
    keys = _keys(tmp_path / "keys")
    async with a_port(world, keys) as port:
        agent = await port.agent(keys)
        assert (agent.close_reason, agent.epoch) == (None, 1)
        await agent.close()


async def test_nothing_else_is_there(world: HubWorld, tmp_path: Path) -> None:
    keys = _keys(tmp_path / "keys")
    async with a_port(world, keys) as port:
        for path in (f"{PREFIX}health", f"{PREFIX}metrics", "/metrics", f"{PREFIX}api/share"):
            assert (await port.get(path, keys)).code == 404, path


async def test_a_renewed_certificate_is_used_and_breaks_no_connection(
    world: HubWorld, tmp_path: Path
) -> None:
    keys, newer = _keys(tmp_path / "keys"), _keys(tmp_path / "newer")
    async with a_port(world, keys) as port:
        before = await port.agent(keys)
        # One after the other: a pair that does not fit is not used.
        _replace(keys.server_certificate, newer.server_certificate)
        port.renew()
        assert (await port.get("/", keys)).code == 404
        _replace(keys.server_key, newer.server_key)
        port.renew()
        assert (await port.get("/", newer)).code == 404
        with pytest.raises(SSLCertVerificationError):
            await port.get("/", keys)
        sequence = before.sequence
        await before.report()
        view = world.service.fleet.node("node-a")
        await until(lambda: view.sequence > sequence)
        assert before.close_reason is None
        await before.close()


def _replace(file: Path, by: Path) -> None:
    beside = file.with_suffix(".beside")
    beside.write_bytes(by.read_bytes())
    beside.replace(file)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({}, "set certificate_file and key_file"),
        ({"certificate_file": "no.crt"}, "set certificate_file and key_file"),
        ({"certificate_file": "no.crt", "key_file": "no.key"}, "no.crt.*cannot be used.*PEM"),
    ],
)
async def test_without_a_certificate_it_says_what_to_set(
    world: HubWorld, options: dict[str, str], words: str
) -> None:
    hub = SubletHub(agents_port=free_port(), **options)
    with pytest.raises(ConfigurationError, match=words):
        hub.listen_to_agents(world.assembly.connections, PREFIX, "127.0.0.1")
