"""A real agent beside simulated GPUs, for tests that need no other options."""

import pytest

from tests.support.agent_world import agent_world


@pytest.fixture
def world(tmp_path):
    with agent_world(tmp_path, "--SubletAgent.tick_s=0.03") as made:
        yield made
