"""Whether the demo tells training that went on from training that was begun anew."""

import pytest
from sublet_hub.one_machine.demo.story import training_ends

from tests.support.demo_cast import stage_of_a_job

pytestmark = pytest.mark.asyncio
SEEN = (4100,)


async def test_training_that_went_on_in_its_process_is_right():
    stage = stage_of_a_job(seen_in=SEEN, pid=4100, attempts=1)
    await training_ends(stage)
    assert stage.record.wrong == []


@pytest.mark.parametrize(
    ("pid", "attempts", "wrong"),
    [
        (4100, 2, "the training did not go on where it was: it was begun 2 times"),
        (4200, 1, "the training ended in process 4200: it was first seen in 4100"),
    ],
    ids=["begun anew", "another process"],
)
async def test_training_that_comes_to_the_same_weights_another_way_is_wrong(pid, attempts, wrong):
    stage = stage_of_a_job(seen_in=SEEN, pid=pid, attempts=attempts)
    await training_ends(stage)
    assert stage.record.wrong == [wrong]
