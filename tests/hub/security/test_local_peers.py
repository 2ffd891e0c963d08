"""Who connects directly on this machine speaks for nobody, and is a peer of their own."""

import os
import socket
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from sublet_hub.security.local_peers import LocalPeers, owner_of_other_end
from sublet_hub.web.server import ServiceApplication
from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine

FORGED = "203.0.113.7"


class Stream:
    """A connection, as far as its peer is asked about."""

    socket: Any = None


def a_request(stream: Stream, peer: str = "127.0.0.1") -> HTTPServerRequest:
    context: Any = SimpleNamespace(address=(peer, 40_000), remote_ip=peer, protocol="http")
    connection: Any = SimpleNamespace(context=context, stream=stream, set_close_callback=id)
    return HTTPServerRequest(
        connection=connection,
        headers=HTTPHeaders({"X-Forwarded-For": FORGED, "Host": "here"}),
        start_line=RequestStartLine("GET", "/", "HTTP/1.1"),
    )


def routed(peers: LocalPeers, request: HTTPServerRequest) -> str:
    application = ServiceApplication([], local_peers=peers, proxies_before_hub=())
    application.find_handler(request)
    return str(request.remote_ip)


@pytest.mark.parametrize(
    ("owner", "address", "is_believed"),
    [
        (0, "127.0.0.1", True),
        (os.geteuid(), "127.0.0.1", True),
        (998, "::1", True),
        (4001, "127.0.0.1", False),
        (4001, "127.9.9.9", False),
        (4001, "::ffff:127.0.0.1", False),
        (None, "127.0.0.1", False),
        (4001, "192.0.2.1", True),
    ],
)
def test_only_a_proxys_connection_is_believed_who_it_speaks_for(
    owner: int | None, address: str, *, is_believed: bool
) -> None:
    peers, stream = LocalPeers(lambda _: owner), Stream()
    peers.note(stream, address)  # type: ignore[arg-type]
    request = a_request(stream, address)
    assert peers.is_direct(request) is not is_believed
    assert routed(peers, request) == (FORGED if is_believed else address)


def test_each_account_of_this_machine_is_one_peer_beside_the_proxy() -> None:
    owners = iter([0, 4001, 4001, 4002, None, None])
    peers = LocalPeers(lambda _: next(owners))
    streams = [Stream() for _ in range(6)]
    names = [peers.note(stream, "127.0.0.1") for stream in streams]  # type: ignore[arg-type]
    assert names[0] == "127.0.0.0/8"
    assert names[1] == names[2] != names[3]
    assert names[4] == names[5]
    assert len(set(names)) == 4
    assert [peers.name_of(a_request(stream)) for stream in streams] == names


def test_a_connection_that_cannot_be_asked_about_is_not_believed() -> None:
    def fails(_: socket.socket) -> int | None:
        raise OSError

    peers, stream = LocalPeers(fails), Stream()
    peers.note(stream, "127.0.0.1")  # type: ignore[arg-type]
    assert peers.is_direct(a_request(stream))


@pytest.fixture(params=["127.0.0.1", "::1", "::ffff:127.0.0.1"])
def ends(request: pytest.FixtureRequest) -> Iterator[tuple[socket.socket, socket.socket]]:
    """Both ends of a connection within this machine: the service's, and another's."""
    family = (
        socket.AF_INET if "." in request.param and ":" not in request.param else socket.AF_INET6
    )
    with socket.socket(family) as listening:
        if family is socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listening.bind((request.param, 0))
        listening.listen()
        with (
            socket.create_connection(("127.0.0.1", listening.getsockname()[1]))
            if ("127" in request.param)
            else socket.create_connection(listening.getsockname()[:2]) as other
        ):
            accepted, _ = listening.accept()
            with accepted:
                yield accepted, other


def test_the_kernel_says_who_has_the_other_end(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    ours, other = ends
    assert owner_of_other_end(ours) == os.geteuid()
    if os.geteuid() == 0:
        # As a socket of that account's.
        os.fchown(other.fileno(), 4001, -1)
        assert owner_of_other_end(ours) == 4001


def test_a_connection_that_was_closed_at_once_is_nobodys_and_not_roots(
    ends: tuple[socket.socket, socket.socket],
) -> None:
    ours, other = ends
    other.sendall(b"GET / HTTP/1.1\r\n\r\n")
    other.close()
    assert owner_of_other_end(ours) is None
