"""The cards of this folder's tests: a real one, and others for what holds without it, too.

``SUBLET_GPU_DEVICE`` chooses one of them (``nvidia``, ``simulated``, ``stand-in``: simulated cards
that are reached through the product's own way to NVIDIA's driver). Without it, tests that are
marked ``gpu`` run on a real card, the others on all. A real card is whatever ``libcuda`` and NVML
of the ordinary loader say; where there is none, its tests are skipped with the reason.
"""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from sublet_agent.devices.interface import DeviceError
from sublet_agent.devices.nvidia import nvidia_gpus_found

from tests.support.agent_world import AgentWorld, Gpus, agent_beside
from tests.support.nvidia_node import nvidia_node
from tests.support.nvidia_stand_in.cards import nvidia_gpus
from tests.support.simulated_gpus import simulated_gpus

KINDS = ("simulated", "stand-in", "nvidia")
SPEED = 100.0
"""How much faster than a real card those move that are not real."""
REAL_PATIENCE_S = 120.0
"""A real card moves 2 to 3 GiB a second."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "kind" in metafunc.fixturenames:
        chosen = os.environ.get("SUBLET_GPU_DEVICE")
        of_cards = metafunc.definition.get_closest_marker("gpu") is not None
        kinds = [chosen] if chosen else ["nvidia"] if of_cards else KINDS
        marked = [
            pytest.param(kind, marks=[pytest.mark.gpu] if kind == "nvidia" else [])
            for kind in kinds
        ]
        metafunc.parametrize("kind", marked, scope="session", indirect=True)


@pytest.fixture(scope="session")
def kind(request: pytest.FixtureRequest) -> str:
    """``nvidia``, ``stand-in`` or ``simulated``."""
    return str(request.param)


@contextmanager
def open_node(kind: str, *, cards: int = 1) -> Iterator[Gpus]:
    """Open the cards of a kind; skip where there are not so many."""
    if kind == "simulated":
        with simulated_gpus(f"--speed={SPEED}", "--scale", "16384", f"--gpus={cards}") as gpus:
            yield gpus
        return
    if kind == "stand-in":
        with nvidia_gpus(cards=cards, speed=SPEED) as gpus:
            yield gpus
        return
    if not nvidia_gpus_found():
        pytest.skip("NVML finds no NVIDIA GPU here")
    with ExitStack() as stack:
        try:
            node = stack.enter_context(nvidia_node())
        except DeviceError as error:
            pytest.fail(f"there is a card, and it cannot be used: {error}")
        if len(node.device.gpus()) < cards:
            pytest.skip(f"needs {cards} cards; there is {len(node.device.gpus())}")
        yield node


@pytest.fixture
def node(kind: str) -> Iterator[Gpus]:
    """The card, and a way to start processes that use it."""
    with open_node(kind) as opened:
        yield opened


@pytest.fixture
def world(node: Gpus, kind: str, tmp_path: Path) -> Iterator[AgentWorld]:
    """A real agent beside the card."""
    with agent_of(kind, node, tmp_path, "sublet_agent.app.serving") as made:
        yield made


@contextmanager
def agent_of(kind: str, node: Gpus, folder: Path, module: str) -> Iterator[AgentWorld]:
    """Start an agent beside a card of this kind."""
    tick_s = 0.2 if kind == "nvidia" else 0.03
    with agent_beside(node, folder, f"--SubletAgent.tick_s={tick_s}", module=module) as made:
        if kind == "nvidia":
            made.patience_s = REAL_PATIENCE_S
        yield made
