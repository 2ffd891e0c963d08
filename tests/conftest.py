"""What holds for all tests: which run side by side, and an event loop ends with what it had open.

Several processes run the tests: those of a file go to one process in their order, and so do those
of a folder whose files share something expensive, a cluster or a hub with a browser. What takes
longest begins first.

Each loop has HTTP clients of its own, and JupyterHub's are never closed: where each asked for names
by a thread and an inotify instance of its own, the hundreds of tests' loops would use up all that
the machine has, and containerd would find none.

Hypothesis has no time limit, neither for an example nor for making one (a busy machine is no
failure), and draws the same in each run, so that a failure points at a change. So it takes no
numbers and texts from the modules that are loaded: which these are differs with the tests that a
process happened to run before. ``SUBLET_HYPOTHESIS=searching`` looks further.
"""

import asyncio
import fcntl
import gc
import inspect
import os
import tempfile
from collections.abc import AsyncIterator, Generator
from pathlib import Path
from typing import Any

import aiohttp.connector
import aiohttp.resolver
import pytest
import pytest_asyncio
from hypothesis import HealthCheck, settings
from hypothesis.internal.conjecture import providers
from xdist.scheduler import LoadScopeScheduling

gc.disable()  # until all tests are collected: what is made by then stays
aiohttp.connector.DefaultResolver = aiohttp.resolver.ThreadedResolver  # type: ignore[misc]
settings.register_profile(
    "the-same", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("searching", settings.get_profile("the-same"), derandomize=False)
settings.load_profile(os.environ.get("SUBLET_HYPOTHESIS", "the-same"))
if settings().derandomize:
    providers._get_local_constants = providers.Constants
_PATIENCE_TURNS = 200
"""Of 5 ms each: while this machine stands still a loop takes none, and closes nothing."""
_TOGETHER = ("tests/kube/node/", "tests/kube/pretended/", "tests/browser/")
"""Folders of which one process runs all files."""
_WITH_AGENTS = (
    "tests/agent/app/",
    "tests/agent/device_plugin/test_device_plugin.py",
    "tests/agent/moves/test_frozen_neighbours.py",
    "tests/agent/moves/test_outsiders.py",
    "tests/agent/processes/test_core_dumps.py",
    "tests/agent/residency/test_giving_up.py",
    "tests/agent/state_files/test_failed_gpus.py",
    "tests/agent/tenants/test_server.py",
    "tests/gpu/",
)
"""Files that one process runs, too: they start agents that serve slices of the same names.

A node has one agent. Of two, the one that starts anew looks for what stands still on the whole
machine, and takes a process of the other's slice for one that was left to it. So another run of
tests on this machine waits, too, while one of these tests lasts.
"""
_ONE_AGENT_AT_A_TIME = Path(tempfile.gettempdir()) / f"sublet-tests-one-agent-{os.getuid()}"
_STARTS_AGENTS = frozenset({"RunningAgent", "agent_beside", "agent_world"})
"""The names of ``tests.support`` by which a test starts one."""
_LONGEST_FIRST = (
    "tests/agent/app/",  # with all of _WITH_AGENTS, which one process runs
    *_TOGETHER,
    "tests/end_to_end/",
    "tests/spawner/",
    "tests/hub/",
)
_WHOLE = (
    *_TOGETHER,
    "tests/agent/app/",
    "tests/agent/devices/nvidia_stand_in/",
    "tests/agent/driver_helper/test_driver_helper.py",
    "tests/agent/driver_helper/test_helper_deaths.py",
    "tests/agent/driver_helper/test_helper_starts.py",
    "tests/agent/fitness/test_nvidia_trial.py",
    "tests/agent/moves/test_frozen_neighbours.py",
    "tests/card/",
    "tests/end_to_end/",
    "tests/gpu/",
    "tests/hub/app/",
    "tests/hub/installation/test_hub_settings.py",
    "tests/hub/jobs/test_jobs_for_real.py",
    "tests/lab/test_kernel_",
    "tests/lab/test_runner",
    "tests/lab/test_server_",
    "tests/lab_ui/",
    "tests/spawner/test_real_hub.py",
)
"""What `make quick` leaves out: whatever starts a whole hub, agent, driver, kernel or front end."""
_ROOT = Path(__file__).parents[1]


@pytest_asyncio.fixture
async def loop_at_rest() -> AsyncIterator[None]:
    """Give closed connections the moment they need: else another test is blamed for them.

    Those of the test's own loop; what a module's loop has open is the whole module's.
    """
    yield
    # Of the loop itself it holds the one socket by which other threads wake it.
    watched = asyncio.get_running_loop()._selector  # type: ignore[attr-defined]
    for _ in range(_PATIENCE_TURNS):  # nothing tells
        if len(watched.get_map()) <= 1:
            return
        await asyncio.sleep(0.005)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=_turn_of)
    for item in items:
        if _starts_agents(item) and not _path_of(item).startswith(_WITH_AGENTS):
            message = (
                f"{_path_of(item)} starts agents: name it in _WITH_AGENTS of tests/conftest.py"
            )
            raise pytest.UsageError(message)
        if _path_of(item).startswith(_WHOLE):
            item.add_marker(pytest.mark.whole)
        if inspect.iscoroutinefunction(getattr(item, "obj", None)):
            # The first to be set up is the last to be torn down.
            item.fixturenames.insert(0, loop_at_rest.__name__)  # type: ignore[attr-defined]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    if not _path_of(item).startswith(_WITH_AGENTS):
        return (yield)
    with _ONE_AGENT_AT_A_TIME.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        return (yield)


def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()


def _starts_agents(item: pytest.Item) -> bool:
    return not _STARTS_AGENTS.isdisjoint(vars(getattr(item, "module", item)))


def _turn_of(item: pytest.Item) -> int:
    path = _path_of(item)
    turns = (turn for turn, area in enumerate(_LONGEST_FIRST) if path.startswith(area))
    return next(turns, len(_LONGEST_FIRST))


def _path_of(item: pytest.Item) -> str:
    return item.path.relative_to(_ROOT).as_posix()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    return _FilesAndFolders(config, log)


class _FilesAndFolders(LoadScopeScheduling):  # type: ignore[misc]
    """Gives a file, or a folder that stays together, to one process.

    xdist's own groups do nothing with pytest 9, which does not read the ids that they write.
    """

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        if path.startswith(_WITH_AGENTS):
            return "agents"
        return next((folder for folder in _TOGETHER if path.startswith(folder)), path)
