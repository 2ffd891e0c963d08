"""Slices that can never make room for others go only where all slices fit together."""

import pytest
from sublet_quota.admission.slice_request import RequestedSlice
from sublet_quota.placement.slice_placement import Placement, decide_slice
from sublet_quota.reasons.refusal import Refusal, RefusalReason

from tests.support.quota_cases import gib, gpu, holdings, notebook

TWICE = """
    sizes: [{name: s, memory: 1/1, compute: 1}]
    everyone: {own_amounts: true}
    pools: [{name: interactive, memory_overcommit: 2, compute_overcommit: 2}]
"""


def wish(amount_gib: int, *, never_suspended: bool) -> RequestedSlice:
    mib = amount_gib * 1024
    return RequestedSlice("zoe", memory_mib=mib, compute_milli=1, never_suspended=never_suspended)


def test_a_slice_that_is_never_suspended_goes_where_all_fit_together() -> None:
    held = holdings(
        TWICE,
        gpu("a"),
        gpu("b", index=1),
        notebook("x", amount=gib(60), on="a"),
        notebook("y", amount=gib(50), on="b"),
    )
    answer = decide_slice(held, wish(25, never_suspended=True))
    assert isinstance(answer, Placement)
    assert answer.gpu_id == "b"


@pytest.mark.parametrize("never_suspended", [True, False])
def test_a_slice_that_is_never_suspended_is_not_overcommitted(*, never_suspended: bool) -> None:
    held = holdings(TWICE, notebook("x", amount=gib(60)))
    answer = decide_slice(held, wish(25, never_suspended=never_suspended))
    assert isinstance(answer, Refusal) is never_suspended
    if isinstance(answer, Refusal):
        assert answer.reason is RefusalReason.NO_ROOM
        # 80 GiB less a margin of 1 and 60 that are promised.
        assert answer.numbers["free_mib"] == 19 * 1024
