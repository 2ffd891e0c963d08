"""The examples for real cards hold what they say, and not a multiple of it."""

import json
import sys
from typing import Any

import pytest
from sublet_hub.one_machine.demo.cells import Cells
from sublet_hub.one_machine.hub_configuration import NOTEBOOKS

from tests.support.fake_torch import FakeTorch

GIB = 2**30


@pytest.fixture
def torch(monkeypatch) -> FakeTorch:
    fake = FakeTorch()
    monkeypatch.setitem(sys.modules, "torch", fake.module())
    return fake


def cells_of(name: str) -> list[str]:
    notebook = json.loads((NOTEBOOKS / "nvidia" / name).read_text())
    return ["".join(cell["source"]) for cell in notebook["cells"] if cell["cell_type"] == "code"]


def test_the_training_holds_what_it_is_told_to_hold(torch):
    (filling,) = (cell for cell in cells_of("train-digits.ipynb") if "activations =" in cell)
    names: dict[str, Any] = {"hold_gib": 20.0, "seed": 0}
    exec("import os\n" + filling, names)  # noqa: S102 - it is our own example
    assert torch.memory.held == 20 * GIB
    assert torch.memory.most <= 20.2 * GIB
    assert sum(names["before"]) == 5 * GIB


def test_an_owner_of_the_demo_fills_what_they_are_cast_to_fill(torch):
    exec(Cells(simulated=False).fill(37.2, 1), {})  # noqa: S102 - it is our own cell
    assert torch.memory.held == int(37.2 * GIB // 4) * 4
    assert torch.memory.most <= 37.4 * GIB
