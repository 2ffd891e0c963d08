"""The service's questions to JupyterHub go there and nowhere else, with the token in them."""

import asyncio

import pytest
from sublet_hub.errors import HubUnreachableError
from sublet_hub.slices.jupyterhub_client import HubClient
from sublet_quota.names.ids import UserName
from sublet_quota.reasons.installation.standings import HubStanding

from tests.support.fake_hub_service import fake_hub_service


def test_a_redirect_is_not_followed() -> None:
    with fake_hub_service() as hub, fake_hub_service() as elsewhere:
        hub.location = f"{elsewhere.url}api/user"
        hub.answer("GET user", {}, 302)
        with pytest.raises(HubUnreachableError) as refused:
            asyncio.run(HubClient(f"{hub.url}api", "token").whose_token())
        assert refused.value.standing is HubStanding.NO_HUB
        assert elsewhere.asked == []


@pytest.mark.parametrize(
    ("owner", "server", "asked"),
    [
        ("ada", "", "users/ada/server"),
        ("ada", "big one", "users/ada/servers/big%20one"),
        ("a/../b", "c/d?e#f", "users/a%2F..%2Fb/servers/c%2Fd%3Fe%23f"),
    ],
)
def test_a_server_is_stopped_by_its_names_whatever_they_are(
    owner: str, server: str, asked: str
) -> None:
    with fake_hub_service() as hub:
        hub.answer(f"DELETE {asked}", None, 204)
        asyncio.run(HubClient(f"{hub.url}api", "token").stop_server(UserName(owner), server))
        assert [(each.method, each.path) for each in hub.asked] == [("DELETE", asked)]


@pytest.mark.parametrize(("owner", "server"), [("..", ""), ("", "x"), ("ada", ".."), ("ada", ".")])
def test_a_name_that_stands_for_another_place_is_not_asked_for(owner: str, server: str) -> None:
    with fake_hub_service() as hub:
        with pytest.raises(HubUnreachableError):
            asyncio.run(HubClient(f"{hub.url}api", "token").stop_server(UserName(owner), server))
        assert hub.asked == []


@pytest.mark.parametrize(
    ("status", "told"), [(403, "lacks the scope delete:servers"), (500, "HTTP 500")]
)
def test_a_hub_that_does_not_stop_a_server_says_so(status: int, told: str) -> None:
    with fake_hub_service() as hub:
        hub.answer("DELETE users/ada/server", {}, status)
        with pytest.raises(HubUnreachableError, match=told):
            asyncio.run(HubClient(f"{hub.url}api", "token").stop_server(UserName("ada"), ""))


@pytest.mark.parametrize(
    ("scopes", "may"),
    [
        (["list:users", "delete:servers"], True),
        (["delete:servers!group=course"], True),
        (["list:users", "read:servers"], False),
        (["delete:servers-of-old"], False),
        (None, False),
    ],
)
def test_the_role_says_whether_servers_may_be_stopped(
    scopes: list[str] | None, *, may: bool
) -> None:
    with fake_hub_service() as hub:
        hub.answer("GET user", {"kind": "service", "name": "sublet", "scopes": scopes})
        client = HubClient(f"{hub.url}api", "token")
        assert asyncio.run(client.may_stop_servers()) is may
        standing = HubStanding.OK if may else HubStanding.CANNOT_STOP_SERVERS
        assert asyncio.run(client.whose_token()) is standing
