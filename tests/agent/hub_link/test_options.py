"""By what an agent may reach the service: the node's secret is sent there."""

import pytest
from sublet_agent.app.application import SubletAgent
from sublet_agent.errors import SettingsError
from sublet_agent.hub_link.address import link_url

PRIVATE = [
    "http://127.0.0.1:8000/services/sublet/",
    "http://127.1.2.3/services/sublet/",
    "http://[::1]:8000/services/sublet/",
    "http://localhost:8000/services/sublet/",
    "https://hub.example.org/services/sublet/",
    "https://10.0.0.1:8902/services/sublet/",
]
IN_CLEAR = [
    "http://hub.example.org/services/sublet/",
    "http://10.0.0.1:8901/services/sublet/",
    "http://127.0.0.1.example.org/services/sublet/",
    "http://localhost.example.org/services/sublet/",
    "http://127.0.0.1@example.org/services/sublet/",
    "http:///services/sublet/",
    "ws://hub.example.org/services/sublet/",
]


def _agent(url: str, **options: bool) -> SubletAgent:
    return SubletAgent(service_url=url, secret_file="/secret", **options)


@pytest.mark.parametrize("url", PRIVATE)
def test_the_secret_is_sent_by_https_or_within_the_machine(url: str) -> None:
    settings = _agent(url).link_settings()
    assert settings is not None
    assert settings.service_url == url


@pytest.mark.parametrize("url", IN_CLEAR)
def test_it_is_sent_in_clear_only_if_that_was_chosen(url: str) -> None:
    with pytest.raises(SettingsError, match=r"https.*plain_http=True"):
        _agent(url).link_settings()
    assert _agent(url, plain_http=True).link_settings() is not None


@pytest.mark.parametrize(
    ("service", "link"),
    [
        ("https://hub/services/sublet/", "wss://hub/services/sublet/api/agents/link"),
        ("http://hub:8000/services/sublet", "ws://hub:8000/services/sublet/api/agents/link"),
    ],
)
def test_the_link_is_below_the_services_address(service: str, link: str) -> None:
    assert link_url(service) == link


@pytest.mark.parametrize("port", ["99999", "-1", "https", "8000:8001"])
def test_an_address_whose_port_is_none_is_refused_with_that(port: str) -> None:
    with pytest.raises(SettingsError, match="names no port"):
        _agent(f"https://hub.example.org:{port}/services/sublet/").link_settings()


def test_an_address_that_cannot_be_read_is_refused_with_that() -> None:
    with pytest.raises(SettingsError, match=r"cannot be read: .*IPv6"):
        _agent("https://[::1/services/sublet/").link_settings()
