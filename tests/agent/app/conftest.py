"""A real agent beside GPUs, for tests that need no other options."""

import pytest

from tests.support.agent_world import agent_world


@pytest.fixture(params=[False, True], ids=["simulated", "nvidia"])
def nvidia(request):
    """Whether the GPUs are NVIDIA's, over the stand-in for the driver, or simulated ones."""
    return request.param


@pytest.fixture
def world(tmp_path, nvidia):
    with agent_world(tmp_path, "--SubletAgent.tick_s=0.03", nvidia=nvidia) as made:
        yield made
