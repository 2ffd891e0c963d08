"""The benchmark of compute shares on a card says what misses a goal, and lets an agent do it."""

import pytest

from tests.benchmarks.share_parts import on_a_card
from tests.benchmarks.share_parts.on_a_card import Measured, Mix, judge, measure
from tests.gpu.card.parts import PARTS, Context

FULL, THINKS = Mix("full", (750, 250)), Mix("thinks", (750, 250), part=0.4)
FREELY = Measured((500, 500), 0.01)


@pytest.mark.parametrize(
    ("mix", "turns", "missed"),
    [
        pytest.param(FULL, Measured((760, 250), 0.09), [], id="kept"),
        pytest.param(FULL, Measured((700, 300), 0.09), ["a share is off"], id="off"),
        pytest.param(FULL, Measured((735, 245), 0.09), ["less is done"], id="full-and-less"),
        pytest.param(FULL, Measured((750, 250), 0.11), ["a cell waits"], id="long-wait"),
        pytest.param(THINKS, Measured((500, 495), 0.01), [], id="freely"),
        pytest.param(THINKS, Measured((400, 400), 0.01), ["less is done"], id="freely-and-less"),
    ],
)
def test_what_misses_a_goal_is_said(mix: Mix, turns: Measured, missed: list[str]) -> None:
    _, told = judge(mix, FREELY, turns, is_real=True)
    assert [any(words in each for each in told) for words in missed] == [True] * len(missed)
    assert len(told) == len(missed)


def test_an_agent_takes_the_turns_that_are_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(on_a_card, "_MEASURED_S", 3.0)
    # Programs that a busy machine keeps from filling their turns run freely for some seconds, so
    # that one measurement may be of that time. By the driver alone steps are equal in all of them.
    measured = (measure("simulated", FULL, by_turns=True).steps for _ in range(6))
    assert any(first > 1.5 * second > 0 for first, second in measured)


def test_make_card_has_the_figures_written_where_the_report_looks(tmp_path) -> None:
    (part,) = (each for each in PARTS if each.name == "shares")
    command = part.command(Context("nvidia", tmp_path), tmp_path / "shares")
    assert command[-2:] == ["--write", str(tmp_path / "shares" / "figures.json")]
