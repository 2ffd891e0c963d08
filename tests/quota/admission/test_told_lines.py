"""A refusal names places in the quota document as people write and find them."""

from sublet_quota.admission.slice_request import RequestedSlice
from sublet_quota.placement.slice_placement import decide_slice
from sublet_quota.reasons.derivation import DocumentLine
from sublet_quota.reasons.refusal import Refusal

from tests.support.quota_cases import gpu, holdings, notebook

TEXT = """everyone: {limit: {slices: 0}}
exceptions:
  - {who: [ada], set: {limit: {slices: 1}}, until: 2999-01-01, why: thesis}
"""


def test_an_entry_of_a_list_is_named_by_its_place_in_brackets() -> None:
    held = holdings(TEXT, gpu(), notebook("a"))
    refused = decide_slice(held, RequestedSlice("ada"))
    assert isinstance(refused, Refusal)
    assert "may have 1 (exceptions[0].set.limit.slices, line 3)" in refused.message
    assert refused.why is not None
    assert refused.why.lines == (DocumentLine("exceptions[0].set.limit.slices", 3),)
