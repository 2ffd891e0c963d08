"""What comes of asking for the service's health where there is something else, or nothing."""

import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from sublet_hub.release_check.health_page import ask_health
from tornado.httpserver import HTTPServer
from tornado.simple_httpclient import SimpleAsyncHTTPClient
from tornado.testing import bind_unused_port
from tornado.web import Application, RequestHandler

from tests.support.closing import close_connections
from tests.support.hub_world import HubWorld
from tests.support.ports import free_port

pytestmark = pytest.mark.asyncio


@asynccontextmanager
async def something(answer: Callable[[RequestHandler], None]) -> AsyncIterator[str]:
    """An address at which everything is answered so."""

    class Anything(RequestHandler):
        def get(self) -> None:
            # Where a browser would be led to.
            if not self.request.path.startswith("/hub/"):
                answer(self)

    server = HTTPServer(Application([(".*", Anything)], log_function=lambda _: None))
    socket, port = bind_unused_port()
    server.add_socket(socket)
    try:
        yield f"http://127.0.0.1:{port}/services/sublet/"
    finally:
        server.stop()
        await close_connections(server)


async def test_the_service_s_own_answer_is_read(world: HubWorld) -> None:
    reached = await ask_health(world.base)
    assert reached.health is not None
    assert (reached.health.ok, reached.health.agents) == (True, 0)


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (lambda page: page.set_status(404), 404),
        (lambda page: page.set_status(503), 503),
        (lambda page: page.redirect("/hub/services/sublet/health"), 302),
        (lambda page: page.write("<html>log in</html>"), 200),
        (lambda page: page.write({"status": "pass"}), 200),
    ],
    ids=["no route", "no target", "the hub's log-in", "a page", "other JSON"],
)
async def test_another_s_answer_is_told_by_its_status(
    answer: Callable[[RequestHandler], None], status: int
) -> None:
    async with something(answer) as url:
        reached = await ask_health(url)
    assert (reached.health, reached.status) == (None, status)


async def test_where_nobody_listens_it_is_said_why() -> None:
    reached = await ask_health(f"http://127.0.0.1:{free_port()}/")
    assert (reached.health, reached.status) == (None, None)
    assert "refused" in reached.words


async def test_a_name_that_nobody_has_is_said() -> None:
    reached = await ask_health("http://proxy-public.nowhere.invalid/")
    assert reached.status is None
    assert reached.words


async def test_a_certificate_that_is_not_trusted_is_no_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def fetch(*_: object) -> None:
        raise ssl.SSLCertVerificationError(1, "self-signed certificate")

    monkeypatch.setattr(SimpleAsyncHTTPClient, "fetch", fetch)
    reached = await ask_health("https://hub.example.org/services/sublet/")
    assert reached.status is None
    assert "self-signed certificate" in reached.words
