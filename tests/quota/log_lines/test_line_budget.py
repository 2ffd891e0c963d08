"""A minute's lines are bounded, by kind and in all; what is left out is counted."""

from sublet_quota.log_lines.line_budget import LeftOut, LineBudget


def test_a_kind_has_its_lines_a_minute_and_leaves_others_theirs() -> None:
    budget = LineBudget(altogether=10)
    assert [budget.take("a", 3, 0.0) for _ in range(5)] == [True] * 3 + [False] * 2
    assert budget.take("b", 3, 1.0)
    assert budget.end_minute(59.0) == ()
    assert budget.end_minute(60.0) == (LeftOut("a", 2),)
    assert budget.take("a", 3, 60.0)


def test_all_kinds_together_have_a_bound_in_lines_and_memory() -> None:
    budget = LineBudget(altogether=10)
    assert sum(budget.take(f"kind {number}", 3, 0.0) for number in range(1000)) == 10
    assert budget.end_minute(61.0) == (LeftOut("other lines", 990),)
    assert budget.end_minute(61.0) == ()
