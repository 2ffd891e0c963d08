"""A notebook whose turn has come leaves a card to one behind it that finds no other.

It does so only where it has its place on another card all the same, by the same payer and no lower
a rank, with nobody else called back: whoever comes first loses nothing by it.
"""

from collections.abc import Iterable
from dataclasses import replace

from sublet_quota.names.ids import GpuId
from sublet_quota.placement.finding.making_way import missing_on
from sublet_quota.placement.finding.question import Question, Seen
from sublet_quota.placement.slice_placement import Placement, decided


def beside_others(
    placement: Placement, question: Question, behind: Iterable[Question], kept: frozenset[GpuId]
) -> Placement:
    """Return the place of a notebook, which is another where that lets one behind it have its own.

    ``behind``: a few of those who could be on the same types, in their order. ``kept``: the cards
    that are kept for those before.
    """
    passed: list[Question] = []
    for other in behind:
        if not _loses(other, placement, kept):
            passed.append(other)
            continue
        elsewhere = _elsewhere(placement, question, kept)
        if elsewhere is None or any(_loses(one, elsewhere, kept) for one in (*passed, other)):
            return placement
        return elsewhere
    return placement


def _elsewhere(
    placement: Placement, question: Question, kept: frozenset[GpuId]
) -> Placement | None:
    found = _placed(question, kept | {placement.gpu_id})
    if found is None or found.group != placement.group or found.rank > placement.rank:
        return None
    goes_further = set(found.calls_back) - set(placement.calls_back)
    return None if goes_further or found.moves or found.recharged else found


def _loses(question: Question, placement: Placement, kept: frozenset[GpuId]) -> bool:
    """Whether one has a place now, and would have none once another has its own."""
    if _fits_beside(question, placement) or _placed(question, kept | {placement.gpu_id}):
        return False
    return _placed(question, kept) is not None


def _fits_beside(question: Question, placement: Placement) -> bool:
    holdings, gpu_id = question.holdings, placement.gpu_id
    facts, room = holdings.gpu(gpu_id), holdings.room(gpu_id)
    if facts is None or room is None:
        return False
    left, alone = room.with_less(placement.amount), question.wish.never_suspended
    for option in question.admission.options:
        if option.asked.kind == facts.kind and question.may_have(facts, option):
            missing = missing_on(holdings, facts, left, option.asked.amount, alone=alone)
            if missing is not None and missing.is_nothing:
                return True
    return False


def _placed(question: Question, kept: frozenset[GpuId]) -> Placement | None:
    seen = replace(Seen.nothing(), admissions=question.seen.admissions)
    answer = decided(replace(question, kept=kept, seen=seen))
    return answer if isinstance(answer, Placement) else None
