"""Offers are reckoned once for as long as nothing has changed, and to each their own."""

import pytest
from sublet_hub.slices import offers
from sublet_hub.slices.offers import OffersAsked, OffersNow
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.names.ids import GpuId, SliceId

from tests.support.quota_cases import a_reservation_of, gpu, holdings, notebook, part

TEXT = """
gpu_types: {H100: {match: "*H100*"}}
pools: [{name: interactive, memory_overcommit: 1, compute_overcommit: 1}]
sizes: [{name: half, memory: 1/2, compute: 1/2}]
groups: {lab: {}, course: {}}
"""
ADA = OffersAsked("ada", ("lab",))


class Here:
    """What ``OffersNow`` reads of the service: the holdings, and the time."""

    def __init__(self) -> None:
        self.holdings: Holdings = holdings(TEXT, gpu("gpu-0"))
        self.now_s = 0.0
        self.offers = OffersNow(self, lambda: self.now_s)  # type: ignore[arg-type]

    def allowed(self) -> bool:
        (half,) = self.offers.of(ADA).offers
        return half.allowed


@pytest.fixture
def here() -> Here:
    return Here()


def test_who_asks_again_is_told_what_was_found(here: Here) -> None:
    assert here.offers.of(ADA) is here.offers.of(ADA)


def test_whoever_else_asks_or_otherwise_is_told_their_own(here: Here) -> None:
    for other in (
        OffersAsked("ben", ("lab",)),
        OffersAsked("ada", ("course",)),
        OffersAsked("ada", ("lab",), "lab"),
        OffersAsked("ada", ("lab",), never_suspended=True),
    ):
        found = here.offers.of(other)
        assert found is not here.offers.of(ADA)
        assert found.rights.owner == other.owner


def test_so_many_answers_are_kept_and_no_more(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    """A size for each of a document, for each who asked, and for each of their groups."""
    monkeypatch.setattr(offers, "_MOST_KEPT", 3)
    for number in range(10):
        here.offers.of(OffersAsked(f"user-{number}", ("lab",)))
    assert [asked.owner for asked in here.offers._kept] == ["user-7", "user-8", "user-9"]


def test_a_slice_that_comes_or_goes_is_seen_at_once(here: Here) -> None:
    assert here.allowed()
    here.holdings.put(notebook("s", "ben", part(1), "gpu-0", group="course"))
    assert not here.allowed()
    here.holdings.remove(SliceId("s"))
    assert here.allowed()


def test_a_card_that_comes_closes_or_goes_is_seen_at_once(here: Here) -> None:
    here.allowed()
    here.holdings.put_gpu(gpu("gpu-0", closed="XID 79"))
    assert not here.allowed()
    here.holdings.put_gpu(gpu("gpu-1", index=1))
    assert here.allowed()
    here.holdings.remove_gpu(GpuId("gpu-1"))
    assert not here.allowed()


def test_room_that_is_kept_for_a_reservation_is_seen_at_once(here: Here) -> None:
    assert here.allowed()
    here.holdings.kept_cards = {GpuId("gpu-0"): a_reservation_of("course")}
    assert not here.allowed()


def test_another_document_is_seen_at_once(here: Here) -> None:
    before = here.offers.of(ADA)
    here.holdings = holdings(TEXT.replace("lab: {}", "lab: {limit: {cards: 0.1}}"), gpu("gpu-0"))
    assert here.offers.of(ADA) is not before
    assert not here.allowed()


def test_what_is_measured_is_looked_at_anew_after_a_while(here: Here) -> None:
    before = here.offers.of(ADA)
    here.now_s = 20.0
    assert here.offers.of(ADA) is not before
