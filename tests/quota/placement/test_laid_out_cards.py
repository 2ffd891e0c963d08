"""The cards where a guarantee lies are those that would be found if all were looked at anew."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from sublet_quota.admission.slice_request import RequestedSlice
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.names.ids import GpuId, SliceId
from sublet_quota.placement.finding.laid_out import cards_laid_out, laid_out_card
from sublet_quota.placement.finding.laid_out_cards import Fits, LaidOutCard, LaidOutCards
from sublet_quota.placement.finding.question import Question
from sublet_quota.residency.snapshot import Rank

from tests.support.admission_cases import SmallHub
from tests.support.quota_cases import H100, NOON, document, gpu, notebook, part
from tests.support.quota_cases import holdings as holdings_of

QUOTA = """
gpu_types: {H100: {match: '*H100*'}}
pools: [{name: one, memory_overcommit: 1.5, compute_overcommit: 2, default: true}]
sizes:
  - {name: eighth, memory: 1/8, compute: 1/8}
  - {name: half, memory: 1/2, compute: 1/2}
  - {name: whole, memory: 1, compute: 1}
everyone: {own_amounts: true}
groups:
  lab: {guaranteed: {H100: 2}, groups: {nlp: {guaranteed: {H100: 1/2}}}}
  club: {guaranteed: {H100: 5/4}}
"""
OTHER = document(QUOTA.replace("{H100: 5/4}", "{H100: 2}"))

wishes = st.builds(
    RequestedSlice,
    owner=st.sampled_from(["ada", "bob", "eve"]),
    groups=st.sampled_from([("lab",), ("club",), ("nlp",), ("club", "nlp"), ()]),
    size=st.sampled_from(["eighth", "half", "whole"]),
    never_suspended=st.sampled_from([False, False, True]),
)
changes = st.sampled_from(
    ["nothing", "nothing", "remove", "unsuspendable", "close", "call back", "without", "document"]
)


def anew(question: Question, fits: Fits) -> list[LaidOutCard]:
    """Every card looked at, as if nothing were known."""
    held = question.holdings
    looked_at = (laid_out_card(held, fits, facts.gpu_id) for facts in held.gpus())
    there = [one for one in looked_at if one is not None]
    found = [one for one in there if question.may_lie_on(one.facts, fits.amount)]
    return sorted(found, key=lambda card: card.turn)


def compare(held: Holdings, wish: RequestedSlice) -> int:
    """How many cards were found, alike in both ways."""
    question, found = Question(held, wish), 0
    for option in question.admission.options:
        if option.rank is Rank.BORROWED:
            continue
        asked = option.asked
        fits = Fits(
            option.node,
            option.steps,
            asked.gpu_type,
            asked.kind,
            asked.amount,
            wish.never_suspended,
        )
        cards = list(cards_laid_out(question, option))
        assert cards == anew(question, fits)
        found += len(cards)
    return found


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(wishes, wishes, changes), max_size=20), st.integers(2, 6))
def test_cards_that_are_kept_in_order_are_those_that_are_looked_at_anew(
    steps: list[tuple[RequestedSlice, RequestedSlice, str]], cards: int
) -> None:
    hub = SmallHub.under(
        QUOTA, *(gpu(f"h{n}", H100, f"node-{n // 4}", n % 4) for n in range(cards))
    )
    for number, (wish, other, change) in enumerate(steps):
        held = hub.holdings
        compare(held, other)
        compare(held, wish)
        hub.hand_out(wish, f"s{number}")
        slice_id = SliceId(f"s{number // 2}")
        match change:
            case "remove":
                held.remove(slice_id)
            case "unsuspendable":
                held.mark_unsuspendable(slice_id, unsuspendable=number % 2 == 0)
            case "call back":
                held.mark_called_back(slice_id, called_back=number % 2 == 0)
            case "without":
                with held.without(slice_id):
                    compare(held, other)
            case "close":
                facts = held.gpu(GpuId(f"h{number % cards}"))
                assert facts is not None
                held.put_gpu(replace(facts, closed=None if number % 2 else "XID 79"))
            case "document":
                hub.holdings = held.under(OTHER if number % 2 else document(QUOTA), NOON)
        compare(hub.holdings, other)


def test_a_card_is_looked_at_once_while_it_stays_as_it_is() -> None:
    held = holdings_of(QUOTA, *(gpu(f"h{n}", H100, "node-a", n) for n in range(4)))
    question = Question(held, RequestedSlice("ada", ("lab",), size="half"))
    option = question.admission.options[0]
    fits = Fits(
        option.node, option.steps, "H100", option.asked.kind, option.asked.amount, alone=False
    )
    looked_at: list[GpuId] = []

    def look_at(gpu_id: GpuId) -> LaidOutCard | None:
        looked_at.append(gpu_id)
        return laid_out_card(held, fits, gpu_id)

    known = LaidOutCards.of(held)
    first = list(known.best_first(held, fits, look_at))
    assert {card.facts.gpu_id for card in first} == set(looked_at)
    assert first
    looked_at.clear()
    assert list(known.best_first(held, fits, look_at)) == first
    assert looked_at == []
    facts = first[0].facts
    held.put(notebook("s", "ada", part(1 / 8), facts.gpu_id, group="lab"))
    list(known.best_first(held, fits, look_at))
    assert looked_at == [facts.gpu_id]


def test_no_more_is_kept_than_a_few_entries_for_each_card() -> None:
    held = holdings_of(QUOTA, *(gpu(f"h{n}", H100, "node-a", n) for n in range(4)))
    for mib in range(1000, 1600):
        wish = RequestedSlice("ada", ("lab",), memory_mib=mib, compute_milli=100)
        question = Question(held, wish)
        next(cards_laid_out(question, question.admission.options[0]))
    assert LaidOutCards.of(held).kept <= 1024
