"""A fake agent and real kernels; a kernel's link by itself; a widget that is told its share.

A kernel takes seconds to start, so the tests of a module share one, and their agent is as new for
each of them. Such a test runs on its module's event loop (``loop_scope="module"``).
"""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sublet_lab import ShareWidget
from sublet_lab.kernel.kernel_link import KernelLink
from sublet_lab.share.updates import UPDATES

from tests.support.fake_hub_service import FakeHubService, fake_hub_service
from tests.support.fake_tenant_socket import FakeAgent, fake_agent
from tests.support.jupyter_server import JupyterServer, Surroundings, server_in_surroundings
from tests.support.lab_shares import a_share
from tests.support.real_kernels import RunningKernel, running_kernel, slice_environment
from tests.support.told_shares import Told


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHubService]:
    """The service that a command speaks to, outside of any server with a slice."""
    with fake_hub_service() as service:
        monkeypatch.setenv("SUBLET_SERVICE_URL", service.url)
        monkeypatch.setenv("JUPYTERHUB_API_TOKEN", "a-token")
        monkeypatch.delenv("SUBLET_SLICE_ID", raising=False)
        yield service


@pytest.fixture(scope="module")
def kernels_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("kernels")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def agent_of_all(kernels_folder: Path) -> AsyncIterator[FakeAgent]:
    async with fake_agent(kernels_folder / "agent.sock") as agent:
        yield agent


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def kernel_of_all(
    agent_of_all: FakeAgent, kernels_folder: Path
) -> AsyncIterator[RunningKernel]:
    environment = slice_environment(agent_of_all.path)
    async with running_kernel(environment, kernels_folder) as kernel:
        yield kernel


@pytest_asyncio.fixture(loop_scope="module")
async def agent(agent_of_all: FakeAgent) -> AsyncIterator[FakeAgent]:
    """The module's agent, as new; it hears the end of the test's cells before the next begins."""
    agent_of_all.renew()
    await agent_of_all.start()
    yield agent_of_all
    await agent_of_all.until(lambda a: not (a.activities and a.activities[-1].busy))


@pytest.fixture
def kernel(kernel_of_all: RunningKernel, agent: FakeAgent) -> RunningKernel:
    """The module's kernel; what a test leaves in it must not be asked for by another."""
    del agent
    return kernel_of_all


@pytest.fixture
def link(tmp_path: Path) -> Iterator[KernelLink]:
    link = KernelLink(str(tmp_path / "agent.sock"), "k")
    yield link
    link.close()


@pytest.fixture
def told() -> Told:
    return Told(a_share())


@pytest.fixture
def widget(told: Told) -> Iterator[Any]:
    made = ShareWidget(told)
    # The test says when it looks.
    UPDATES.remove(made)
    yield made
    made.close()


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def surroundings(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Surroundings]:
    async with server_in_surroundings(tmp_path_factory.mktemp("server")) as made:
        yield made


@pytest.fixture
def server(surroundings: Surroundings) -> JupyterServer:
    return surroundings.server
