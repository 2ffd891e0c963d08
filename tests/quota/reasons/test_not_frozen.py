"""Why slices are not frozen, in words: every code has them."""

import pytest
from sublet_quota.reasons.not_frozen import NotFrozen, not_frozen_clause


@pytest.mark.parametrize("why", NotFrozen)
def test_every_reason_is_a_clause(why: NotFrozen) -> None:
    clause = not_frozen_clause(why)
    assert clause[0].islower()
    assert not clause.endswith(".")


def test_no_two_reasons_are_told_alike() -> None:
    assert len({not_frozen_clause(why) for why in NotFrozen}) == len(NotFrozen)
