"""The extension's routes in a real Jupyter Server, with a fake agent and a fake hub service."""

import json
from pathlib import Path
from typing import Any

import pytest
from sublet_lab.server.service_client import ServiceClient
from sublet_quota.wire.tenant_socket import LocalShare

from tests.support.fake_hub_service import FakeHubService, fake_hub_service
from tests.support.fake_tenant_socket import FakeAgent
from tests.support.job_notebooks import write_notebook
from tests.support.jupyter_server import (
    HUB_TOKEN,
    TOKEN,
    JupyterServer,
    Surroundings,
    jupyter_server,
)
from tests.support.lab_bodies import job
from tests.support.lab_shares import a_share
from tests.support.ports import free_port

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture
def agent(surroundings: Surroundings) -> FakeAgent:
    surroundings.agent.requests.clear()
    surroundings.agent.activities.clear()
    return surroundings.agent


@pytest.fixture
def service(surroundings: Surroundings) -> FakeHubService:
    surroundings.service.asked.clear()
    return surroundings.service


async def test_a_page_of_a_list_is_passed_on_with_where_the_next_begins(
    server: JupyterServer, service: FakeHubService
):
    service.answer("GET jobs", [])
    for told, expected in (("17-b%2F", "17-b%2F"), ("17-b\xe9", None), ("elsewhere", None)):
        service.headers["GET", "jobs?before=18-c%2F"] = {"Sublet-Next": told}
        answer = await server.ask("GET", "sublet/api/jobs?before=18-c%2F")
        assert (answer.code, answer.headers.get("Sublet-Next")) == (200, expected)


async def test_requests_are_passed_on_with_the_servers_token_and_nothing_of_the_browser(
    server: JupyterServer, service: FakeHubService
):
    service.answer("GET share", {"owner": "ada"})
    answer = await server.ask("GET", "sublet/api/share?owner=bob", Cookie="a=b", Origin=server.url)
    assert (answer.code, json.loads(answer.body)) == (200, {"owner": "ada"})
    (asked,) = service.asked
    assert asked.path == "share"
    assert asked.headers["Authorization"] == f"Bearer {HUB_TOKEN}"
    assert {"Cookie", "Origin"}.isdisjoint(asked.headers)
    assert TOKEN not in str(asked)

    service.answer("POST jobs", {"job_id": "j"}, 201)
    request = {"notebook": "train.ipynb", "parameters": {"epochs": 3}}
    answer = await server.ask("POST", "sublet/api/jobs?server=other", request)
    assert answer.code == 201
    assert (service.asked[-1].path, service.asked[-1].body) == ("jobs?server=big", request)

    service.answer("GET jobs/job-1/log", {"text": ""})
    answer = await server.ask("GET", "sublet/api/jobs/job-1/log?offset=17&x=y")
    assert answer.code == 200
    assert service.asked[-1].path == "jobs/job-1/log?offset=17"

    refusal = {"reason": "no-room", "message": "There is no room.", "numbers": {"free_mib": 1}}
    service.answer("POST slices/s-1/keep", refusal, 403)
    answer = await server.ask("POST", "sublet/api/slices/s-1/keep", {"minutes": 30})
    assert (answer.code, json.loads(answer.body)) == (403, refusal)


async def test_the_panels_requests_are_in_the_table(server: JupyterServer, service: FakeHubService):
    service.answer("GET slices/s-1/history", {"points": []})
    history = "sublet/api/slices/s-1/history?since=2026-11-24T09:00:00Z"
    assert (await server.ask("GET", history)).code == 200
    assert service.asked[-1].path.startswith("slices/s-1/history?since=2026-11-24T09")
    for path, body, status in (
        ("slices/s-1/give-up", {}, 200),
        ("slices/s-1/extend", {}, 200),
        ("slices/s-1/resize", {"memory_mib": 4096}, 200),
        ("jobs/forecast", {"notebook": "a.ipynb", "retries": 2, "take_along": ["data"]}, 200),
        ("jobs/j-1/again", {}, 201),
    ):
        service.answer(f"POST {path}", {}, status)
        assert (await server.ask("POST", f"sublet/api/{path}", body)).code == status
        named = "?server=big" if path.endswith("again") else ""
        assert service.asked[-1].path == path + named
        assert service.asked[-1].body == (body or None)


async def test_who_waits_in_line_is_asked_for_and_taken_out_by_name(
    server: JupyterServer, service: FakeHubService
):
    service.answer("GET queue", [])
    answer = await server.ask("GET", "sublet/api/queue?owner=bob&all=1")
    assert (answer.code, service.asked[-1].path) == (200, "queue")
    for query, expected in (
        ("?server=big%20one&owner=bob", "queue?server=big+one"),
        ("?server=", "queue?server="),
        ("", "queue"),
    ):
        service.answer(f"DELETE {expected}", None, 204)
        answer = await server.ask("DELETE", f"sublet/api/queue{query}")
        assert (answer.code, answer.body) == (204, b"")
        assert (service.asked[-1].method, service.asked[-1].path) == ("DELETE", expected)


BAD = {
    "an escaped way up": ("GET", "sublet/api/jobs/..%2fgpus", None, 404),
    "a way up": ("GET", "sublet/api/jobs/%2e%2e", None, 404),
    "a route of admins": ("GET", "sublet/api/gpus", None, 404),
    "a route of the hub": ("POST", "sublet/api/hub/slices", {}, 404),
    "a method it has not": ("PUT", "sublet/api/lending", {"lending": False}, 405),
    "a post where there is a get": ("POST", "sublet/api/share", {}, 405),
    "a delete where there is a get": ("DELETE", "sublet/api/share", None, 405),
    "a name that is too long": ("DELETE", f"sublet/api/queue?server={'x' * 256}", None, 400),
    "a body that is not the schema": ("POST", "sublet/api/jobs", {"notebook": "a", "uid": 0}, 400),
    "a size that is none": ("POST", "sublet/api/slices/s/resize", {"memory_mib": 0}, 400),
    "too many retries": ("POST", "sublet/api/jobs", {"notebook": "a", "retries": 9}, 400),
    "a body that is no json": ("POST", "sublet/api/jobs", b"x", 400),
    "a body that is too long": ("POST", "sublet/api/jobs", b" " * 300_000, 413),
    "an offset that is none": ("GET", "sublet/api/jobs/j/log?offset=-1", None, 400),
    "a time that is none": ("GET", "sublet/api/events?since=yesterday", None, 400),
}


async def test_whatever_is_not_in_the_table_goes_nowhere(
    server: JupyterServer, service: FakeHubService
):
    got = {}
    for name, (method, path, body, _) in BAD.items():
        got[name] = (await server.ask(method, path, body)).code
    assert got == {name: code for name, (_, _, _, code) in BAD.items()}
    assert service.asked == []


async def test_nobody_passes_without_the_pages_token(
    server: JupyterServer, service: FakeHubService
):
    own = ("local-share", "kernels", "notebooks/inspect?path=a.ipynb", "notebooks/literals")
    for path in ("share", "jobs", "slices/s/keep", "lending", "queue", *own):
        for method in ("GET", "POST", "DELETE"):
            body = None if method == "DELETE" else {}
            answer = await server.ask(method, f"sublet/api/{path}", body, token=None)
            assert answer.code in {403, 405}, (path, method)
    assert service.asked == []


async def test_the_local_share_is_the_agents_answer(server: JupyterServer, agent: FakeAgent):
    refused = await server.ask("GET", "sublet/api/local-share")
    assert (refused.code, json.loads(refused.body)["message"]) == (503, "no slice here")
    agent.share = a_share()
    answer = await server.ask("GET", "sublet/api/local-share")
    assert LocalShare.model_validate_json(answer.body) == agent.share


async def test_its_own_requests_are_no_activity_of_the_server(
    server: JupyterServer, service: FakeHubService
):
    service.answer("GET share", {})
    before = json.loads((await server.ask("GET", "api/status?no_track_activity=1")).body)
    assert (await server.ask("GET", "sublet/api/share")).code == 200
    for own in ("kernels", "local-share", "notebooks/inspect?path=x.ipynb"):
        await server.ask("GET", f"sublet/api/{own}")
    assert (await server.ask("POST", LITERALS, {"texts": ["1"]})).code == 200
    after = json.loads((await server.ask("GET", "api/status?no_track_activity=1")).body)
    assert after["last_activity"] == before["last_activity"]


async def test_without_sublet_there_are_no_routes_and_no_errors(tmp_path: Path):
    async with jupyter_server(tmp_path, {}) as server:
        for path in ("share", "kernels", "notebooks/inspect?path=a.ipynb"):
            assert (await server.ask("GET", f"sublet/api/{path}")).code == 404
        assert (await server.ask("GET", "sublet/api/local-share")).code == 404
        log = server.log.read_text()
    assert "sublet_lab | extension was successfully loaded" in log
    assert "Traceback" not in log


async def test_a_service_that_is_away_is_a_clear_answer():
    client = ServiceClient(f"http://127.0.0.1:{free_port()}/services/sublet/", HUB_TOKEN)
    answer = await client.ask("GET", "share", {}, None)
    assert answer.status == 502
    assert json.loads(answer.body)["reason"] == "service-unreachable"


async def test_a_redirect_is_not_followed():
    """The server's token goes to the service alone, wherever that says that it is."""
    with fake_hub_service() as service, fake_hub_service() as elsewhere:
        service.location = f"{elsewhere.url}api/share"
        service.answer("GET share", {}, 302)
        client = ServiceClient(service.url, HUB_TOKEN)
        answer = await client.ask("GET", "share", {}, None)
        assert answer.status == 302
        assert elsewhere.asked == []


async def test_a_notebook_is_described_and_a_bad_path_refused(
    server: JupyterServer, service: FakeHubService
):
    write_notebook(server.runtime.parent / "a b" / "fit.ipynb", "print(1)", parameters="rate = 1")
    path = "sublet/api/notebooks/inspect?path="
    answer = await server.ask("GET", f"{path}a%20b/fit.ipynb")
    found = json.loads(answer.body)
    assert (answer.code, found["path"], found["cells"]) == (200, "a b/fit.ipynb", 2)
    reading = {"type": "int", "value": 1, "problem": None}
    assert found["parameters"][0] == {
        "name": "rate",
        "type": "int",
        "default": "1",
        "reading": reading,
        "help": "",
    }
    for bad in ("..%2fx.ipynb", "%2fetc%2fpasswd", "new.ipynb", "", "a%00.ipynb"):
        answer = await server.ask("GET", path + bad)
        assert (answer.code, json.loads(answer.body)["reason"]) == (400, "bad-notebook")
    assert service.asked == []


LITERALS = "sublet/api/notebooks/literals"


async def test_what_is_typed_as_a_parameter_is_read_by_python(
    server: JupyterServer, service: FakeHubService
):
    deep = "-" * 16_000 + "1"
    texts = ["0.5", "(1, 2)", "many", "'" + "a" * 20_000 + "'", "'\\d'" * 3000, deep]
    answer = await server.ask("POST", LITERALS, {"texts": texts})
    half, pair, many, long, odd, nested = json.loads(answer.body)
    assert answer.code == 200
    assert half == {"type": "float", "value": 0.5, "problem": None}
    assert pair == {"type": "tuple", "value": None, "problem": "tuple"}
    assert many == {"type": None, "value": None, "problem": "not-a-literal"}
    assert (long["problem"], nested["problem"]) == ("too-large", "too-large")
    assert odd["value"] == "\\d" * 3000
    assert "SyntaxWarning" not in server.log.read_text()
    assert service.asked == []


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"texts": "3"}, 400),
        ({"texts": [3]}, 400),
        ({}, 400),
        ({"texts": ["1"] * 1001}, 400),
        (b'{"texts": ["\\ud83d"]}', 400),
        (b"x", 400),
        ({"texts": ["x" * 300_000]}, 413),
    ],
)
async def test_a_question_for_literals_that_is_none_is_refused(
    server: JupyterServer, body: Any, status: int
):
    answer = await server.ask("POST", LITERALS, body)
    assert (answer.code, "message" in json.loads(answer.body)) == (status, True)


async def test_a_server_copies_what_its_jobs_run_where_the_service_cannot(tmp_path: Path):
    notebook = write_notebook(tmp_path / "train.ipynb", "1")
    submitted = notebook.read_text()
    with fake_hub_service() as service:
        environment = {
            "SUBLET_SERVICE_URL": service.url,
            "JUPYTERHUB_API_TOKEN": HUB_TOKEN,
            "SUBLET_JOB_FILES_BELOW": str(tmp_path),
        }
        service.answer("POST jobs", job(name="train", job_id="j-1"), 201)
        again = job(name="train", job_id="j-2", notebook="train.ipynb")
        service.answer("POST jobs/j-1/again", again, 201)
        async with jupyter_server(tmp_path, environment) as server:
            request = {"notebook": "train.ipynb"}
            assert (await server.ask("POST", "sublet/api/jobs", request)).code == 201
            assert service.asked[-1].body == request
            notebook.write_text("later")
            assert (await server.ask("POST", "sublet/api/jobs/j-1/again", {})).code == 201
            results = tmp_path / "sublet-jobs"
            kept = [results / f"train-j-{n}" / "files" / "train.ipynb" for n in (1, 2)]
            assert [path.read_text() for path in kept] == [submitted, "later"]

            refusal = {"reason": "no-room", "message": "There is no room.", "numbers": {}}
            service.answer("POST jobs", refusal, 409)
            assert (await server.ask("POST", "sublet/api/jobs", request)).code == 409
            assert {path.name for path in results.iterdir()} == {"train-j-1", "train-j-2"}

            asked = len(service.asked)
            answer = await server.ask("POST", "sublet/api/jobs", {"notebook": "trian.ipynb"})
            assert (answer.code, json.loads(answer.body)["reason"]) == (400, "bad-files")
            assert "is not there" in json.loads(answer.body)["message"]
            assert len(service.asked) == asked
