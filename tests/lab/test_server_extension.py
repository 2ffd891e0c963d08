"""The extension in a real Jupyter Server, with a fake agent and a fake hub service."""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from jupyter_client.asynchronous.client import AsyncKernelClient
from sublet_lab.server.kernel_watch import BESIDE_CELLS, MISSED_CELL
from sublet_lab.server.service_client import ServiceClient
from sublet_quota.wire.tenant_socket import KernelActivity, LocalShare, ShareProcess
from tornado.httpclient import HTTPResponse
from tornado.simple_httpclient import SimpleAsyncHTTPClient

from tests.support.fake_hub_service import FakeHubService, fake_hub_service
from tests.support.fake_tenant_socket import FakeAgent, fake_agent
from tests.support.job_notebooks import write_notebook
from tests.support.lab_bodies import job, lease, slice_info
from tests.support.lab_shares import a_share
from tests.support.programs import free_port
from tests.support.real_kernels import RunningKernel, slice_environment

pytestmark = pytest.mark.asyncio(loop_scope="module")
TOKEN = "page-token"  # noqa: S105
HUB_TOKEN = "servers-own-hub-token"  # noqa: S105
OTHER_EXTENSIONS = ("jupyterlab", "jupyter_lsp", "jupyter_server_terminals", "notebook_shim")


@dataclass
class JupyterServer:
    url: str
    runtime: Path
    log: Path

    async def ask(
        self, method: str, path: str, body: Any = None, *, token: str | None = TOKEN, **headers: str
    ) -> HTTPResponse:
        client = SimpleAsyncHTTPClient(force_instance=True)
        if token is not None:
            headers["Authorization"] = f"token {token}"
        text = body if isinstance(body, bytes) else json.dumps(body).encode()
        try:
            return await client.fetch(
                self.url + path,
                method=method,
                headers=headers,
                body=None if body is None else text,
                allow_nonstandard_methods=True,
                raise_error=False,
            )
        finally:
            client.close()

    async def _state(self, kernel_id: str) -> str:
        answer = await self.ask("GET", f"api/kernels/{kernel_id}")
        return str(json.loads(answer.body)["execution_state"])

    async def answers(self) -> bool:
        try:
            return (await self.ask("GET", "api/status")).code == 200
        except OSError:
            return False

    @contextlib.asynccontextmanager
    async def kernel(self, name: str) -> AsyncIterator[tuple[str, RunningKernel]]:
        """A kernel of the server, and a front end that is not the server's page."""
        answer = await self.ask("POST", "api/kernels", {"name": name})
        assert answer.code == 201, answer.body
        kernel_id = json.loads(answer.body)["id"]
        client = AsyncKernelClient()
        client.load_connection_file(str(self.runtime / f"kernel-{kernel_id}.json"))
        # Without the heartbeat: on a busy machine a slow kernel is taken for a dead one by it.
        client.start_channels(hb=False)
        try:
            await client.wait_for_ready(timeout=120)
            # Until the server hears its kernel, nobody there could know of a cell.
            while await self._state(kernel_id) == "starting":  # noqa: ASYNC110 - nothing tells
                await asyncio.sleep(0.05)
            yield kernel_id, RunningKernel(None, client)  # type: ignore[arg-type]
        finally:
            client.stop_channels()


@contextlib.asynccontextmanager
async def jupyter_server(
    folder: Path, environment: Mapping[str, str]
) -> AsyncIterator[JupyterServer]:
    """A server of this environment, with a kernel "plain" that does not have our gate."""
    runtime, kernels = folder / "runtime", folder / "data" / "kernels" / "plain"
    kernels.mkdir(parents=True)
    spec = {
        "argv": [
            *(sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"),
            "--Completer.use_jedi=False",
        ],
        "display_name": "Plain",
        "language": "python",
        "env": {"SUBLET_SLICE_ID": ""},
    }
    (kernels / "kernel.json").write_text(json.dumps(spec))
    inherited = {
        k: v for k, v in os.environ.items() if not k.startswith(("SUBLET_", "JUPYTER", "JPY_"))
    }
    port = free_port()
    server = JupyterServer(f"http://127.0.0.1:{port}/base/", runtime, folder / "server.log")
    with server.log.open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "jupyter_server", "--no-browser", "--allow-root"),
            *(f"--port={port}", "--ServerApp.port_retries=0", "--ServerApp.base_url=/base/"),
            f"--IdentityProvider.token={TOKEN}",
            f"--ServerApp.root_dir={folder}",
            # What else this environment has takes a second and more to load.
            *(f"--ServerApp.jpserver_extensions={other}=False" for other in OTHER_EXTENSIONS),
            env={
                **inherited,
                "HOME": str(folder),
                "JUPYTER_RUNTIME_DIR": str(runtime),
                "JUPYTER_DATA_DIR": str(folder / "data"),
                "JUPYTER_CONFIG_DIR": str(folder / "config"),
                "IPYTHONDIR": str(folder / "ipython"),
                **environment,
            },
            stdout=log,
            stderr=log,
        )
    try:
        async with asyncio.timeout(120):
            while not await server.answers():
                assert process.returncode is None, server.log.read_text()
                await asyncio.sleep(0.1)
        yield server
    finally:
        if process.returncode is None:
            process.terminate()
        await asyncio.wait_for(process.wait(), 120)


@dataclass
class Surroundings:
    """One server for all tests, since it takes seconds to start, between its two neighbours."""

    server: JupyterServer
    agent: FakeAgent
    service: FakeHubService


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def surroundings(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Surroundings]:
    folder = tmp_path_factory.mktemp("server")
    with fake_hub_service() as service:
        async with fake_agent(folder / "agent.sock") as agent:
            environment = {
                **slice_environment(agent.path),
                "SUBLET_SERVICE_URL": service.url,
                "JUPYTERHUB_API_TOKEN": HUB_TOKEN,
            }
            async with jupyter_server(folder, environment) as server:
                yield Surroundings(server, agent, service)


@pytest.fixture
def server(surroundings: Surroundings) -> JupyterServer:
    return surroundings.server


@pytest.fixture
def agent(surroundings: Surroundings) -> FakeAgent:
    surroundings.agent.requests.clear()
    surroundings.agent.activities.clear()
    return surroundings.agent


@pytest.fixture
def service(surroundings: Surroundings) -> FakeHubService:
    surroundings.service.asked.clear()
    return surroundings.service


def _levels(agent: FakeAgent, kernel: str) -> list[KernelActivity]:
    return [a for a in agent.activities if a.kernel == kernel]


async def test_cells_of_kernels_without_the_gate_are_reported_and_others_left_alone(
    server: JupyterServer, agent: FakeAgent, tmp_path: Path
):
    async with server.kernel("plain") as (kernel_id, plain):
        ends = tmp_path / "ends"
        execution = plain.begin(
            f"import os, time\nwhile not os.path.exists({str(ends)!r}): time.sleep(0.02)"
        )
        level = await agent.until(lambda a: _levels(a, kernel_id), 90)
        assert level[0].busy
        # It may have begun before the extension was connected.
        assert level[0].cell in {execution.msg_id, MISSED_CELL}
        await agent.until(lambda a: [x.busy for x in _levels(a, kernel_id)].count(True) >= 2)
        ends.touch()
        await plain.finish(execution)
        await agent.until(lambda a: not _levels(a, kernel_id)[-1].busy)
        before = len(_levels(agent, kernel_id))
        await plain.client.complete("impo", reply=True, timeout=90)
        assert agent.requests == []
        assert len(_levels(agent, kernel_id)) == before
    async with server.kernel("python3") as (kernel_id, gated):
        await gated.run("pass")
        await agent.until(lambda a: _levels(a, kernel_id) and not _levels(a, kernel_id)[-1].busy)
        assert [r.enter.kernel for r in agent.requests] == [kernel_id]
        # One numbering, so one teller.
        first, last = _levels(agent, kernel_id)[0], _levels(agent, kernel_id)[-1]
        assert last.sequence - first.sequence == len(_levels(agent, kernel_id)) - 1


@pytest.mark.parametrize("name", ["plain", "python3"])
async def test_what_a_widget_calls_counts_as_a_cell_when_it_takes_long(
    server: JupyterServer, agent: FakeAgent, tmp_path: Path, name: str
):
    """It may stand in a GPU call, and no cell could run meanwhile."""
    async with server.kernel(name) as (kernel_id, kernel):
        ends = tmp_path / "ends"
        prepares = kernel.begin(
            "import os, time\n"
            "def opened(comm, message): time.sleep(message['content']['data']['s'])\n"
            "get_ipython().kernel.comm_manager.register_target('slow', opened)\n"
            f"while not os.path.exists({str(ends)!r}): time.sleep(0.02)"
        )
        # A cell of a moment may be told of later, or not at all.
        await agent.until(lambda a: _levels(a, kernel_id))
        ends.touch()
        await kernel.finish(prepares)
        teller = f"{kernel_id} {BESIDE_CELLS}" if name == "python3" else kernel_id
        await agent.until(lambda a: not _levels(a, kernel_id)[-1].busy)
        heard = len(_levels(agent, teller))
        for seconds in (0.0, 3.5):
            content = {"comm_id": f"c{seconds}", "target_name": "slow", "data": {"s": seconds}}
            kernel.client.shell_channel.send(kernel.client.session.msg("comm_open", content))
        levels = await agent.until(
            lambda a: (
                [x.busy for x in _levels(a, teller)[heard:]][-1:] == [False]
                and _levels(a, teller)[heard:]
            )
        )
        assert all(x.busy for x in levels[:-1])
        assert len({x.cell for x in levels[:-1]}) == 1


async def test_a_killed_cell_does_not_stay_busy(server: JupyterServer, agent: FakeAgent):
    async with server.kernel("plain") as (kernel_id, plain):
        plain.begin("import time; time.sleep(60)")
        await agent.until(lambda a: _levels(a, kernel_id), 90)
        assert (await server.ask("POST", f"api/kernels/{kernel_id}/restart", {})).code == 200
        await agent.until(lambda a: not _levels(a, kernel_id)[-1].busy)


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
    answer = await server.ask("POST", "sublet/api/jobs", request)
    assert answer.code == 201
    assert service.asked[-1].body == request

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
        ("slices/s-1/resize", {"memory_mib": 4096}, 200),
        ("jobs/forecast", {"notebook": "a.ipynb", "retries": 2, "take_along": ["data"]}, 200),
        ("jobs/j-1/again", {}, 201),
    ):
        service.answer(f"POST {path}", {}, status)
        assert (await server.ask("POST", f"sublet/api/{path}", body)).code == status
        assert service.asked[-1].path == path
        assert service.asked[-1].body == (body or None)


BAD = {
    "an escaped way up": ("GET", "sublet/api/jobs/..%2fgpus", None, 404),
    "a way up": ("GET", "sublet/api/jobs/%2e%2e", None, 404),
    "a route of admins": ("GET", "sublet/api/gpus", None, 404),
    "a route of the hub": ("POST", "sublet/api/hub/slices", {}, 404),
    "a method it has not": ("PUT", "sublet/api/lending", {"lending": False}, 405),
    "a post where there is a get": ("POST", "sublet/api/share", {}, 405),
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
    for path in ("share", "jobs", "slices/s/keep", "lending", *own):
        for method in ("GET", "POST"):
            answer = await server.ask(method, f"sublet/api/{path}", {}, token=None)
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


async def test_kernels_are_shown_with_what_they_hold(server: JupyterServer, agent: FakeAgent):
    agent.share = None
    assert (await server.ask("GET", "sublet/api/kernels")).code == 503
    async with server.kernel("plain") as (kernel_id, plain):
        execution = await plain.run("import os; print(os.getpid())")
        pid = int(execution.text)
        agent.share = a_share(processes=(ShareProcess(pid=pid, memory_mib=700),))
        answer = await server.ask("GET", "sublet/api/kernels")
        held = {k["kernel_id"]: k for k in json.loads(answer.body)}[kernel_id]
        assert (held["memory_mib"], held["pids"], held["name"]) == (700, [pid], "plain")
        assert held["notebook"] is None


async def test_kernels_that_are_started_after_a_resize_see_the_new_size(
    server: JupyterServer, service: FakeHubService, agent: FakeAgent
):
    info = slice_info(lease=lease(slice_id="slice-1", memory_mib=20480, compute_milli=250))
    service.answer("POST slices/slice-1/resize", info)
    answer = await server.ask("POST", "sublet/api/slices/slice-1/resize", {"memory_mib": 20480})
    assert answer.code == 200
    agent.share = None
    asked = "import os; print(os.environ['SUBLET_MEMORY_MIB'], os.environ['PYTORCH_ALLOC_CONF'])"
    async with server.kernel("python3") as (_, kernel):
        shown = await kernel.run(asked)
        assert shown.text == "20480 per_process_memory_fraction:0.2437\n"
    # Resized from elsewhere: the agent says so when the kernel starts.
    agent.share = a_share(cap_mib=30720, compute_milli=250, gpu_memory_mib=81920)
    async with server.kernel("python3") as (_, kernel):
        shown = await kernel.run(asked)
        assert shown.text == "30720 per_process_memory_fraction:0.3687\n"


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
