"""Whether the demo's last act tells shares that are kept from such as are not."""

from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pytest
from sublet_hub.one_machine.demo.cells import Cells
from sublet_hub.one_machine.demo.sharing import shares_are_kept

from tests.support.demo_cast import KERNEL, LATE, FakeKernel, stage_of_a_job

pytestmark = pytest.mark.asyncio

LOOKS_BEFORE = 7
"""At the sizes, at who is at work, and until it is seen that they share."""
SIZES = {"three-quarters": 750, "quarter": 250}


@dataclass
class FakeCard:
    """A card on which emil and cleo compute, for whom time passes with each look at it."""

    part_of_emil: Any
    """Its part in each second, from the first on."""
    milli: dict[str, int] = field(default_factory=dict)
    busy_ms: dict[str, float] = field(default_factory=lambda: {"emil": 0.0, "cleo": 0.0})

    async def service(self, method: str, path: str, body: Any = None) -> Any:
        if method == "POST":
            owner = path.split("/")[1]
            self.milli[owner] = SIZES[body["size"]]
            return {"lease": {"compute_milli": self.milli[owner]}}
        if path != "gpus":
            return []
        part = next(self.part_of_emil)
        self.busy_ms["emil"] += 1000 * part
        self.busy_ms["cleo"] += 1000 * (1 - part)
        return [{"slices": [self._slice(owner) for owner in self.busy_ms]}]

    def _slice(self, owner: str) -> dict[str, Any]:
        return {
            "lease": {"owner": owner, "holder": "notebook", "slice_id": owner},
            "report": {"active": True, "gpu_busy_ms": round(self.busy_ms[owner])},
        }


def stage_with(*parts: float) -> Any:
    """The stage of the act, on which emil has these parts of each second, the last one on."""
    stage: Any = stage_of_a_job(seen_in=(1,), pid=1, attempts=1)
    card = FakeCard(parts[min(n, len(parts) - 1)] for n in count())
    stage.admin = stage.people["emil"] = stage.people["cleo"] = card
    stage.kernels[LATE.name], stage.pids[LATE.name] = FakeKernel(LATE.seed), KERNEL
    return stage


async def test_shares_that_are_kept_are_told_with_their_parts():
    stage = stage_with(*[0.5] * LOOKS_BEFORE, 0.74)
    await shares_are_kept(stage)
    assert stage.record.wrong == []
    assert stage.record.facts["shares_kept"] == {"emil": 0.74, "cleo": 0.26}
    assert stage.admin.milli == {"emil": 750, "cleo": 250}


@pytest.mark.parametrize("later", [0.69, 0.81, 0.5], ids=["less", "more", "time-sliced"])
async def test_shares_that_are_not_kept_make_the_demo_fail(later: float):
    stage = stage_with(*[0.75] * LOOKS_BEFORE, later)
    await shares_are_kept(stage)
    [wrong] = stage.record.wrong
    assert "its share is 75%" in wrong


async def test_on_a_real_card_the_act_says_why_it_is_not_played():
    stage = stage_with(0.5)
    stage.cells = Cells(simulated=False)
    await shares_are_kept(stage)
    assert "not played" in stage.record.lines[-1].text
    assert "shares_kept" not in stage.record.facts
