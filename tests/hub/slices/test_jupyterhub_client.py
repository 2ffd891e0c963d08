"""The service's questions to JupyterHub go there and nowhere else, with the token in them."""

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest
from sublet_hub.errors import HubUnreachableError
from sublet_hub.slices import jupyterhub_client
from sublet_hub.slices.jupyterhub_client import HubClient, ServerStanding, StartAnswer
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


@pytest.mark.parametrize("options", [None, {"size": "small", "deep": [1, {"x": None}]}])
@pytest.mark.parametrize("status", [201, 202])
def test_a_server_is_started_with_the_options_that_its_owner_chose(
    options: dict[str, object] | None, status: int
) -> None:
    with fake_hub_service() as hub:
        hub.answer("POST users/ada/servers/big%20one", {}, status)
        client = HubClient(f"{hub.url}api", "token")
        answer = asyncio.run(client.start_server(UserName("ada"), "big one", options))
        assert answer is StartAnswer.STARTS
        (asked,) = hub.asked
        assert asked.body == options


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (400, StartAnswer.RUNS_ALREADY),
        (403, StartAnswer.NOT_ALLOWED),
        (404, StartAnswer.REFUSED),
        (409, StartAnswer.REFUSED),
        (500, StartAnswer.FAILED),
        (502, StartAnswer.NOT_KNOWN),
        (504, StartAnswer.NOT_KNOWN),
    ],
)
def test_what_the_hub_says_of_a_server_that_it_does_not_start(
    status: int, answer: StartAnswer
) -> None:
    with fake_hub_service() as hub:
        hub.answer("POST users/ada/server", {}, status)
        client = HubClient(f"{hub.url}api", "token")
        assert asyncio.run(client.start_server(UserName("ada"), "", None)) is answer


def test_a_hub_that_was_asked_for_a_start_and_does_not_answer_may_have_begun(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(jupyterhub_client, "ANSWERS_WITHIN_S", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}/api"
        answer = asyncio.run(HubClient(url, "token").start_server(UserName("ada"), "", None))
    assert answer is StartAnswer.NOT_KNOWN


def test_a_hub_that_ends_as_it_is_asked_for_a_start_may_have_begun() -> None:
    def hangs_up() -> None:
        taken, _ = hub.accept()
        taken.recv(64)
        taken.close()

    with socket.create_server(("127.0.0.1", 0)) as hub, ThreadPoolExecutor(1) as beside:
        url = f"http://127.0.0.1:{hub.getsockname()[1]}/api"
        beside.submit(hangs_up)
        answer = asyncio.run(HubClient(url, "token").start_server(UserName("ada"), "", None))
    assert answer is StartAnswer.NOT_KNOWN


def test_a_hub_that_could_not_be_asked_for_a_start_has_not_begun() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        url = f"http://127.0.0.1:{gone.getsockname()[1]}/api"
    with pytest.raises(HubUnreachableError, match="does not answer"):
        asyncio.run(HubClient(url, "token").start_server(UserName("ada"), "", None))


@pytest.mark.parametrize(
    ("status", "told"),
    [
        (429, "too many servers start at once: HTTP 429"),
        (503, "HTTP 503"),
        (302, "HTTP 302"),
    ],
)
def test_a_hub_that_cannot_start_a_server_now_is_to_be_asked_again(status: int, told: str) -> None:
    with fake_hub_service() as hub:
        hub.answer("POST users/ada/server", {}, status)
        client = HubClient(f"{hub.url}api", "token")
        with pytest.raises(HubUnreachableError, match=told):
            asyncio.run(client.start_server(UserName("ada"), "", None))


@pytest.mark.parametrize(("owner", "server"), [("..", ""), ("", "x"), ("ada", ".."), ("ada", ".")])
def test_a_name_that_stands_for_another_place_is_not_asked_for(owner: str, server: str) -> None:
    with fake_hub_service() as hub:
        with pytest.raises(HubUnreachableError):
            asyncio.run(HubClient(f"{hub.url}api", "token").stop_server(UserName(owner), server))
        with pytest.raises(HubUnreachableError):
            asyncio.run(
                HubClient(f"{hub.url}api", "token").start_server(UserName(owner), server, None)
            )
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
        (["list:users", "list:groups", "delete:servers", "servers"], True),
        (["list:users", "list:groups", "delete:servers", "start:servers"], True),
        (["list:groups", "delete:servers!group=course", "start:servers!group=course"], True),
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


def test_the_role_says_whether_groups_may_be_seen() -> None:
    with fake_hub_service() as hub:
        scopes = ["list:users", "read:groups", "delete:servers", "servers"]
        hub.answer("GET user", {"kind": "service", "name": "sublet", "scopes": scopes})
        hub.answer("GET groups?offset=0&limit=200", {"message": "Forbidden"}, 403)
        client = HubClient(f"{hub.url}api", "token")
        assert asyncio.run(client.whose_token()) is HubStanding.CANNOT_LIST_GROUPS
        assert asyncio.run(client.group_names()) is None


def test_groups_come_in_pages() -> None:
    with fake_hub_service() as hub:
        following = {"_pagination": {"next": {"offset": 200}}, "items": [{"name": "lab"}]}
        hub.answer("GET groups?offset=0&limit=200", following)
        last = {"_pagination": {"next": None}, "items": [{"name": "course"}]}
        hub.answer("GET groups?offset=200&limit=200", last)
        found = asyncio.run(HubClient(f"{hub.url}api", "token").group_names())
        assert found == {"lab", "course"}


def test_the_role_says_whether_servers_may_be_started() -> None:
    with fake_hub_service() as hub:
        scopes = ["list:users", "delete:servers", "read:servers", "start:servers-of-old"]
        hub.answer("GET user", {"kind": "service", "name": "sublet", "scopes": scopes})
        standing = asyncio.run(HubClient(f"{hub.url}api", "token").whose_token())
        assert standing is HubStanding.CANNOT_START_SERVERS


@pytest.mark.parametrize(
    ("server", "standing"),
    [
        ({"ready": True, "pending": None}, ServerStanding.RUNS),
        ({"ready": False, "pending": "spawn"}, ServerStanding.CHANGES),
        ({"ready": True, "pending": "stop"}, ServerStanding.CHANGES),
        ({"ready": False, "pending": None, "stopped": True}, ServerStanding.NOT_THERE),
        (None, ServerStanding.NOT_THERE),
    ],
)
def test_how_a_server_stands(server: dict[str, object] | None, standing: ServerStanding) -> None:
    with fake_hub_service() as hub:
        servers = {} if server is None else {"big one": server}
        hub.answer("GET users/ada", {"name": "ada", "servers": servers})
        client = HubClient(f"{hub.url}api", "token")
        assert asyncio.run(client.standing_of(UserName("ada"), "big one")) is standing


def test_of_nobody_there_is_no_server_and_an_error_says_nothing() -> None:
    with fake_hub_service() as hub:
        client = HubClient(f"{hub.url}api", "token")
        hub.answer("GET users/ada", {}, 404)
        found = asyncio.run(client.standing_of(UserName("ada"), ""))
        assert found is ServerStanding.NOT_THERE
        hub.answer("GET users/ada", {}, 500)
        with pytest.raises(HubUnreachableError, match="HTTP 500"):
            asyncio.run(client.standing_of(UserName("ada"), ""))


def test_that_there_is_no_such_user_is_believed_of_the_hub_and_of_nothing_before_it() -> None:
    with fake_hub_service() as hub:
        client = HubClient(f"{hub.url}api", "token")
        hub.answer("GET users/ada", {"status": 404, "message": "Not Found"}, 404)
        assert asyncio.run(client.user("ada")) is None
        for other in ({"error": "no route"}, [], "default backend - 404"):
            hub.answer("GET users/ada", other, 404)
            with pytest.raises(HubUnreachableError, match="HTTP 404"):
                asyncio.run(client.user("ada"))
