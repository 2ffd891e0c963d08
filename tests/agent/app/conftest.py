"""A real agent beside GPUs, for tests that need no other options."""

from pathlib import Path

import pytest

from tests.support.agent_world import agent_world

_ON_BOTH = {
    "test_agent_deaths",
    "test_room_check",
    "test_running_agent",
    "test_stopped_tenants",
    "test_unmovable_slices",
}
"""Whose tests run over the stand-in for NVIDIA's driver, too: of moves, recovery and watchdog."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "nvidia" in metafunc.fixturenames:
        on_both = Path(metafunc.module.__file__).stem in _ON_BOTH
        kinds = [False, True] if on_both else [False]
        names = ["simulated", "nvidia"][: len(kinds)]
        metafunc.parametrize("nvidia", kinds, ids=names, scope="function")


@pytest.fixture
def world(tmp_path, nvidia):
    """The GPUs are NVIDIA's, over the stand-in for its driver, or simulated ones."""
    with agent_world(tmp_path, "--SubletAgent.tick_s=0.03", nvidia=nvidia) as made:
        yield made
