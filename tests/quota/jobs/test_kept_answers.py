"""What a plan of the queue keeps of what it found is what it would find anew."""

from hypothesis import given
from hypothesis import strategies as st
from sublet_quota.amounts.gpu_amounts import GpuAmount
from sublet_quota.jobs.backfill.card_times import CardTimes, OfClass
from sublet_quota.jobs.backfill.jobs_there import by_gpu
from sublet_quota.jobs.lent_room.card_company import Company, Owners
from sublet_quota.jobs.lent_room.card_lists import CardLists, Entry
from sublet_quota.jobs.lent_room.lendable_gpus import LendableGpu
from sublet_quota.jobs.lent_room.lendable_room import LendableRoom
from sublet_quota.names.ids import GpuId, NodeId, PoolName

from tests.support.quota_cases import NOON, gpu
from tests.support.reserved_cards import HOUR, runs, waits

CARDS = tuple(GpuId(f"gpu{n}") for n in range(6))
COMPANIES = st.builds(Company, st.sampled_from(Owners), st.sampled_from((0, 250, 900, 1000)))
NEEDS = st.builds(GpuAmount, st.sampled_from((1, 4, 7)), st.sampled_from((100, 500, 1000)))
CHANGES = st.tuples(st.sampled_from(range(len(CARDS))), st.integers(0, 9), COMPANIES)


def entry(card: int, room_mib: int) -> Entry:
    return room_mib, NodeId("node"), card, CARDS[card]


def listed(company: dict[GpuId, Company], room_mib: dict[int, int]) -> CardLists:
    """Return lists that are made of what there is now."""
    found = CardLists(company.__getitem__)
    for card, mib in room_mib.items():
        found.begin_with(entry(card, mib))
    found.be_in_order()
    return found


@given(st.lists(st.one_of(NEEDS, CHANGES), min_size=4, max_size=40))
def test_the_best_card_is_that_of_new_lists_whatever_changed_since_it_was_found(
    steps: list[GpuAmount | tuple[int, int, Company]],
) -> None:
    company = dict.fromkeys(CARDS, Company())
    room_mib = dict.fromkeys(range(len(CARDS)), 5)
    kept = listed(company, room_mib)
    for step in steps:
        if isinstance(step, GpuAmount):
            assert kept.best(step) == listed(company, room_mib).best(step)
            continue
        card, mib, others = step
        kept.take_out(entry(card, room_mib[card]))
        room_mib[card], company[CARDS[card]] = mib, others
        kept.put(entry(card, mib))


NOTES = st.tuples(st.sampled_from(("w0", "w1", "w2")), st.sampled_from((0, 1)), st.integers(1, 9))
TAKES = st.tuples(st.sampled_from((0, 1)), st.integers(1, 20))
ASKS = st.builds(OfClass, st.sampled_from((-1, 0, 1)))


@given(st.lists(st.one_of(NOTES, TAKES, ASKS), min_size=4, max_size=30))
def test_from_when_on_a_card_lends_is_reckoned_anew_once_a_job_comes_or_goes_or_room_is_taken(
    steps: list[tuple[str, int, int] | tuple[int, int] | OfClass],
) -> None:
    there = by_gpu(
        (runs(f"r{n}", f"g{n % 2}", 9, ends=n * HOUR, priority=n % 2) for n in range(4)), NOON
    )
    cards = [
        LendableGpu(gpu(f"g{n}"), PoolName("interactive"), "H100", 50 * 1024, 20 * 1024)
        for n in range(2)
    ]
    room = LendableRoom(cards)
    times = CardTimes(room, there)
    for step in steps:
        if isinstance(step, OfClass):
            for card in cards:
                assert times.kept_steps(card, step.priority) == tuple(times.steps(card, step))
        elif len(step) == 3:
            name, on, need_gib = step
            times.note(waits(name, need_gib), cards[on])
        else:
            on, mib = step
            room.take(cards[on], GpuAmount(mib, 0))
