"""What an admin may say of the turns of computing."""

from datetime import timedelta

import pytest
from sublet_agent.app.application import SubletAgent
from traitlets import TraitError


def the_agent(folder, **options):
    return SubletAgent(node="n", state_folder=str(folder), **options)


@pytest.mark.parametrize(
    ("options", "period_ms"), [({}, 100), ({"compute_period_ms": 160}, 160)], ids=["unsaid", "said"]
)
def test_the_period_of_turns_is_as_said_or_a_tenth_of_a_second(tmp_path, options, period_ms):
    turns = the_agent(tmp_path, **options).settings().compute_turns
    assert turns.period == timedelta(milliseconds=period_ms)
    assert turns.wanted is None


@pytest.mark.parametrize("period_ms", [39, 201])
def test_a_period_in_which_turns_cost_too_much_or_cells_wait_too_long_is_refused(
    tmp_path, period_ms
):
    with pytest.raises(TraitError, match="compute_period_ms"):
        the_agent(tmp_path, compute_period_ms=period_ms)
