"""What a plan of the queue keeps of what it found is what it would find anew."""

from hypothesis import given
from hypothesis import strategies as st
from sublet_quota.amounts.gpu_amounts import GpuAmount
from sublet_quota.jobs.lent_room.card_company import Company, Owners
from sublet_quota.jobs.lent_room.card_lists import CardLists, Entry
from sublet_quota.names.ids import GpuId, NodeId

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
