"""A bench of moves for each test."""

import pytest

from tests.support.agent_cases import Bench


@pytest.fixture
def bench(tmp_path):
    made = Bench(tmp_path)
    yield made
    made.close()
