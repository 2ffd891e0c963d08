"""Whose a request is, told by the proxies that it came through."""

import subprocess
import sys
from pathlib import Path

import pytest
from sublet_hub.errors import ConfigurationError
from sublet_hub.host.private_files import write_private
from sublet_hub.security.client_address import network_of, networks_of, told_address_of
from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine

PROXIES = networks_of(["10.42.0.0/16", "192.0.2.7", "fd00:42::/56"])

CASES = {
    "nothing is told": ("", "127.0.0.9"),
    "one proxy": ("198.51.100.1", "198.51.100.1"),
    "what a client sends is passed over": ("203.0.113.1, 198.51.100.1", "198.51.100.1"),
    "a proxy that ends TLS": ("198.51.100.1, 10.42.3.4", "198.51.100.1"),
    "a forger behind it": ("203.0.113.1, 198.51.100.1, 10.42.3.4", "198.51.100.1"),
    "two proxies": ("198.51.100.1, 192.0.2.7, 10.42.3.4", "198.51.100.1"),
    "told as IPv6": ("198.51.100.1, ::ffff:10.42.3.4", "198.51.100.1"),
    "both as IPv6": ("::ffff:198.51.100.1,::ffff:10.42.3.4", "198.51.100.1"),
    "IPv6": ("2001:db8::1, fd00:42::9", "2001:db8::1"),
    "from among the proxies": ("10.42.9.9, 10.42.3.4", "10.42.9.9"),
    "no address before a proxy": ("unknown, 10.42.3.4", "10.42.3.4"),
    "no address at all": ("198.51.100.1, unknown", "127.0.0.9"),
}


@pytest.mark.parametrize(("told", "expected"), CASES.values(), ids=CASES)
def test_the_address_is_the_last_one_that_no_known_proxy_has(told: str, expected: str) -> None:
    line = RequestStartLine("GET", "/", "HTTP/1.1")
    headers = HTTPHeaders({"Host": "hub", "X-Forwarded-For": told})
    request = HTTPServerRequest(start_line=line, headers=headers)
    request.remote_ip = "127.0.0.9"
    assert told_address_of(request, PROXIES) == expected


@pytest.mark.parametrize(
    "text", ["10.42.0.1/16", "traefik", "10.42.0.0/33", "", "0.0.0.0/0", "::/0"]
)
def test_what_is_no_network_of_proxies_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError, match="proxies_before_hub: "):
        networks_of(["10.42.0.0/16", text])


def test_a_service_with_a_bad_network_does_not_start_and_says_why(tmp_path: Path) -> None:
    write_private(tmp_path / "token", b"0123456789abcdef")
    (tmp_path / "nodes").mkdir(mode=0o700)
    command = [
        sys.executable,
        "-m",
        "sublet_hub.app.application",
        f"--token-file={tmp_path / 'token'}",
        f"--state-folder={tmp_path / 'state'}",
        f"--SubletHub.node_secrets_folder={tmp_path / 'nodes'}",
        "--port=0",
        "--SubletHub.proxies_before_hub=10.42.0.1/16",
    ]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 1
    assert "cannot start: proxies_before_hub: 10.42.0.1/16 has host bits set" in ended.stderr


def test_all_of_an_ipv6_network_share_as_one() -> None:
    assert network_of("2001:db8::1") == network_of("2001:db8::2")
    assert network_of("2001:db8::1") != network_of("2001:db8:0:1::1")
    assert network_of("::ffff:192.0.2.1") == network_of("192.0.2.1") == "192.0.2.1"
    assert network_of("here") == "here"


def test_all_of_one_machine_share_as_one_whichever_of_its_own_addresses_they_take() -> None:
    taken = {network_of(f"127.{number % 256}.{number // 256}.9") for number in range(1000)}
    assert taken == {network_of("127.0.0.1")}
    assert network_of("127.0.0.1") == network_of("::1") == network_of("::ffff:127.0.0.2")
    assert network_of("128.0.0.1") != network_of("127.0.0.1")
