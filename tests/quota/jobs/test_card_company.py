"""On which of the cards that lend enough a job begins: beside whom it goes on, and how fast."""

from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sublet_quota.amounts.gpu_amounts import GpuAmount
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.jobs.job_queue import plan_queue
from sublet_quota.jobs.lent_room.card_company import Company, Owners
from sublet_quota.jobs.lent_room.card_lists import CardLists, Entry
from sublet_quota.jobs.lent_room.lendable_gpus import LendableGpu, lendable_gpus
from sublet_quota.names.ids import GpuId, NodeId, PoolName, SliceId
from sublet_quota.preview.present_state import present_state

from tests.support.job_cases import a_job, under
from tests.support.quota_cases import H100, L4, NOON, gib, gpu, job_slice, notebook

HOUR = timedelta(hours=1)
NOBODY, LONG, AWAY, WORK = Owners.NONE, Owners.LONG_AWAY, Owners.AWAY, Owners.AT_WORK


def lends(name: str, gib_left: int, owners: Owners = NOBODY, milli: int = 0) -> LendableGpu:
    company = Company(owners, milli)
    card, pool = gpu(name, index=int(name[-1])), PoolName("interactive")
    return LendableGpu(card, pool, H100.type, gib_left * 1024, 10 if milli else 0, company)


@dataclass(frozen=True)
class Case:
    """A job of so much, cards, and the one on which it begins."""

    gib: int | None
    milli: int
    cards: tuple[LendableGpu, ...]
    begins_on: str


CASES = {
    "the tightest of cards that are nobody's": Case(
        10, 1000, (lends("a0", 79), lends("b1", 40)), "b1"
    ),
    "nobody's card, rather than a tighter one whose owner is away": Case(
        10, 1000, (lends("a0", 79), lends("b1", 40, AWAY)), "a0"
    ),
    "whose owner is away for long, rather than one who just left": Case(
        10, 1000, (lends("a0", 40, AWAY), lends("b1", 79, LONG)), "b1"
    ),
    "beside an owner at work only where there is no other": Case(
        10, 1000, (lends("a0", 40, WORK), lends("b1", 79, AWAY, 1000)), "b1"
    ),
    "not where jobs have the compute already": Case(
        10, 500, (lends("a0", 60, NOBODY, 1000), lends("b1", 79, AWAY)), "b1"
    ),
    "what another job leaves, rather than an empty card": Case(
        10, 500, (lends("a0", 79), lends("b1", 60, NOBODY, 500)), "b1"
    ),
    "of cards with jobs the tightest that leaves compute enough": Case(
        10, 500, (lends("a0", 20, NOBODY, 600), lends("b1", 30, NOBODY, 500)), "b1"
    ),
    "a whole card beside an owner at work, where no other lends that much": Case(
        None, 1000, (lends("a0", 79, WORK), lends("b1", 60)), "a0"
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_a_job_begins_where_the_least_is_in_its_way(case: Case) -> None:
    asked = a_job("j", gib=case.gib, compute_milli=case.milli)
    for wish in (asked, replace(asked, node=NodeId("node-a"))):
        for cards in (case.cards, case.cards[::-1]):
            (placed,) = plan_queue([wish], cards, lending=True).placements
            assert placed.gpu_id == case.begins_on


def test_jobs_of_one_plan_spread_over_the_compute() -> None:
    cards = [lends(f"a{n}", 79) for n in range(3)]
    whole = [a_job(f"j{n}", gib=20, minute=n) for n in range(4)]
    placed = plan_queue(whole, cards, lending=True).placements
    assert [each.gpu_id for each in placed] == ["a0", "a1", "a2", "a0"]
    halves = [a_job(f"j{n}", gib=20, compute_milli=500, minute=n) for n in range(4)]
    placed = plan_queue(halves, cards, lending=True).placements
    # A card stays whole for as long as others have room and compute.
    assert [each.gpu_id for each in placed] == ["a0", "a0", "a1", "a1"]


COMPANIES = st.builds(Company, st.sampled_from(Owners), st.sampled_from((0, 250, 700, 1000, 2000)))


@settings(max_examples=200)
@given(
    st.lists(st.tuples(st.integers(0, 80), COMPANIES), max_size=14),
    st.integers(1, 80),
    st.sampled_from((100, 250, 500, 1000)),
    st.data(),
)
def test_the_best_card_is_that_of_all_looked_at_one_by_one(
    lent: list[tuple[int, Company]], need_mib: int, milli: int, data: st.DataObject
) -> None:
    """Also after some were taken out, and others given other company."""
    entries = [(mib, NodeId("n"), at, GpuId(f"g{at}")) for at, (mib, _) in enumerate(lent)]
    company = {entry[3]: lent[at][1] for at, entry in enumerate(entries)}
    lists, need = CardLists(company.__getitem__), GpuAmount(need_mib, milli)
    for entry in entries:
        lists.begin_with(entry)
    lists.be_in_order()
    for entry in data.draw(st.lists(st.sampled_from(entries), unique=True) if entries else EMPTY):
        lists.take_out(entry)
        entries.remove(entry)
        if data.draw(st.booleans()):
            company[entry[3]] = data.draw(COMPANIES)
            lists.put(entry)
            entries.append(entry)
    fitting = [lists.turn_of(entry, need) for entry in entries if entry[0] >= need_mib]
    assert lists.best(need) == min(fitting, default=None)
    assert lists.most_mib() == max((entry[0] for entry in entries), default=0)


EMPTY: st.SearchStrategy[list[Entry]] = st.just([])


def owners_on(held: Holdings, name: str) -> Owners:
    lent = {each.facts.gpu_id: each for each in lendable_gpus(held, {}, NOON + 2 * HOUR)}
    return lent[GpuId(name)].company.owners


def hub() -> Holdings:
    cards = [gpu(name, kind, index=at) for at, (name, kind) in enumerate(CARDS)]
    slices = (notebook("u", "uma", gib(20), "a"), notebook("v", "vic", gib(20), "a"))
    return under("", *cards, *slices, job_slice("k", "kim", gib(20, 300), "b"))


CARDS = (("a", H100), ("b", H100), ("l", L4))


def test_what_owners_do_is_known_of_each_card() -> None:
    held, uma, vic = hub(), SliceId("u"), SliceId("v")
    assert [owners_on(held, name) for name in "abl"] == [WORK, NOBODY, NOBODY]
    held.mark_at_rest(uma, NOON)
    assert owners_on(held, "a") is WORK
    held.mark_at_rest(vic, NOON + HOUR + timedelta(minutes=1))
    assert owners_on(held, "a") is AWAY
    held.mark_at_rest(vic, NOON + HOUR)
    assert owners_on(held, "a") is LONG
    # Whoever takes the holdings over knows it, and so does a preview.
    assert owners_on(held.under(held.document, NOON), "a") is LONG
    assert owners_on(present_state(held).holdings(), "a") is LONG
    held.mark_at_rest(uma, None)
    assert owners_on(held, "a") is WORK
    held.remove(uma)
    assert owners_on(held, "a") is LONG
    held.put(notebook("u", "uma", gib(20), "l"))
    assert [owners_on(held, name) for name in "al"] == [LONG, WORK]
    held.put(notebook("u", "uma", gib(20), "a"))
    assert [owners_on(held, name) for name in "al"] == [WORK, NOBODY]


def test_what_jobs_have_of_the_compute_is_known_of_each_card() -> None:
    lent = {each.facts.gpu_id: each.company for each in lendable_gpus(hub(), {}, NOON)}
    assert [lent[GpuId(name)].jobs_milli for name in "ab"] == [0, 300]
