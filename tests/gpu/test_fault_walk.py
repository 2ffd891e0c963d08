"""The random walk of ``tests/agent/app/test_fault_walk.py``, on a real card.

Owners, jobs and deaths of the agent, without the faults that a simulated card alone can be told to
have. Programs look at their bytes by hash in every cell.
"""

import os
from pathlib import Path

import pytest

from tests.support.agent_world import Gpus
from tests.support.fault_walk import walk_on

SEED = int(os.environ.get("SUBLET_FAULT_WALK_SEED", "20261124"))
PART_S = float(os.environ.get("SUBLET_CARD_LIMIT_S", "540"))
WALK_S = float(os.environ.get("SUBLET_FAULT_WALK_S", str(PART_S / 3)))
"""For both walks together; the looks in between take longer than the walking."""

pytestmark = pytest.mark.gpu


@pytest.mark.parametrize("greedy", [False, True], ids=["fair", "greedy"])
def test_no_notebook_is_lost_or_left_locked_whenever_the_agent_is_killed(
    node: Gpus, tmp_path: Path, record_property, *, greedy: bool
) -> None:
    tmp_path.chmod(0o755)
    story = walk_on(node, tmp_path, WALK_S / 2, SEED, greedy=greedy)
    record_property("walk", f"{story.steps} steps, seed {SEED}: {dict(story.counts)}")
