"""Blocking requests to the hub service: what is sent where, and what comes of each answer."""

import socket
import threading
from collections.abc import Iterator

import pytest
from sublet_lab.service_calls import (
    ServiceAddressError,
    ServiceAnswer,
    ServiceAwayError,
    api_address,
    call_service,
)

from tests.support.fake_hub_service import FakeHubService, fake_hub_service
from tests.support.ports import free_port

CANARY = "token-canary"


@pytest.fixture
def service() -> Iterator[FakeHubService]:
    with fake_hub_service() as running:
        yield running


def ask(service: FakeHubService, method: str = "GET", body: bytes | None = None) -> ServiceAnswer:
    return call_service(method, api_address(service.url) + "share", CANARY, body, 10)


def test_the_token_and_the_body_are_sent_and_the_answer_is_given_back(
    service: FakeHubService,
) -> None:
    service.answer("POST share", {"owner": "ada"}, 201)
    answer = ask(service, "POST", b'{"minutes": 1}')
    assert (answer.status, answer.body, answer.is_success) == (201, b'{"owner": "ada"}', True)
    (asked,) = service.asked
    assert (asked.path, asked.body) == ("share", {"minutes": 1})
    assert asked.headers["Authorization"] == f"Bearer {CANARY}"
    assert asked.headers["Content-Type"] == "application/json"


@pytest.mark.parametrize("status", [302, 307, 401, 409, 503, 599])
def test_a_refusal_is_an_answer_too(service: FakeHubService, status: int) -> None:
    service.answer("GET share", {"reason": "x"}, status)
    answer = ask(service)
    assert (answer.status, answer.body, answer.is_success) == (status, b'{"reason": "x"}', False)


def test_the_token_follows_no_redirect(service: FakeHubService) -> None:
    with fake_hub_service() as other:
        for status in (301, 302, 303, 307, 308):
            service.answer("GET share", {}, status)
            service.location = other.url
            assert ask(service).status == status
        assert other.asked == []


def test_the_token_goes_to_no_proxy(
    service: FakeHubService, monkeypatch: pytest.MonkeyPatch
) -> None:
    with fake_hub_service() as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        service.answer("GET share", {})
        assert ask(service).is_success
        assert proxy.asked == []


@pytest.mark.parametrize(
    "url", ["", "hub:8000", "file:///etc/passwd", "ftp://hub/", "/services/sublet"]
)
def test_what_is_no_address_of_a_service_is_refused(url: str) -> None:
    with pytest.raises(ServiceAddressError, match="is no http or https address"):
        api_address(url)


def test_a_service_that_is_away_says_why() -> None:
    address = api_address(f"http://127.0.0.1:{free_port()}/")
    with pytest.raises(ServiceAwayError, match="refused"):
        call_service("GET", address, CANARY, None, 10)


@pytest.mark.parametrize(
    "said",
    [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfff\r\n{"],
)
def test_a_service_that_speaks_no_http_is_away(said: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(said)

        serving = threading.Thread(target=serve)
        serving.start()
        address = api_address(f"http://127.0.0.1:{listening.getsockname()[1]}/")
        with pytest.raises(ServiceAwayError):
            call_service("GET", address, CANARY, None, 10)
        serving.join()


@pytest.mark.parametrize("token", [f"{CANARY}\nX-Other: 1", f"{CANARY}🚀"])
def test_a_token_that_cannot_be_sent_is_not_told(service: FakeHubService, token: str) -> None:
    with pytest.raises(ServiceAwayError) as raised:
        call_service("GET", api_address(service.url), token, None, 10)
    assert CANARY not in f"{raised.value}{raised.value.__cause__}"
    assert service.asked == []
