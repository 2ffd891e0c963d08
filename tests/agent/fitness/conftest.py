"""A daemon of simulated GPUs, and what a trial of its cards needs."""

import pytest

from tests.support.simulated_gpus import simulated_gpus
from tests.support.trials import TrialBench


@pytest.fixture
def gpus():
    with simulated_gpus("--gpus", "2", "--scale", "16384") as made:
        yield made


@pytest.fixture
def bench(gpus, tmp_path):
    made = TrialBench(gpus, tmp_path)
    yield made
    made.close()
