"""A stand-in of two cards, a device over it, and a process that calls it."""

from collections.abc import Iterator

import pytest
from sublet_agent.devices.nvidia import NvidiaDevice

from tests.support.nvidia_stand_in.callers import Caller
from tests.support.nvidia_stand_in.stand_in import (
    NvidiaStandIn,
)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NvidiaStandIn]:
    folder = tmp_path_factory.mktemp("stand-in")
    with NvidiaStandIn.running(folder, cards=2) as running:
        yield running


@pytest.fixture
def stand_in(shared: NvidiaStandIn) -> Iterator[NvidiaStandIn]:
    yield shared
    shared.reset()
    shared.end_tenants()
    shared.until(lambda: not shared.truth().processes)


@pytest.fixture(scope="module")
def device(shared: NvidiaStandIn) -> Iterator[NvidiaDevice]:
    with shared.device() as made:
        yield made


@pytest.fixture
def caller(stand_in: NvidiaStandIn) -> Iterator[Caller]:
    made = Caller(stand_in)
    yield made
    made.kill()
