"""Who would hold more than another document says: jobs and slices as admission counts them."""

import cProfile
from dataclasses import replace

import pytest
from sublet_quota.document.rights import rights_of
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.names.ids import UserName
from sublet_quota.preview.beyond import Beyond, new_excesses
from sublet_quota.preview.present_state import PersonHere
from sublet_quota.residency.snapshot import Holder
from sublet_quota.shares.limits import LimitKind

from tests.support.quota_cases import NOON, document, gib, gpu, holdings, notebook

UNLIMITED = "everyone: {limit: {slices: unlimited}}"


def held() -> Holdings:
    """Four notebooks and a job of one person."""
    slices = [notebook(f"n{number}", amount=gib(1)) for number in range(4)]
    job = replace(notebook("j", amount=gib(1)), holder=Holder.JOB)
    return holdings(UNLIMITED, gpu(), *slices, job)


@pytest.mark.parametrize(
    ("text", "beyond"),
    [
        # What nobody says, 4 slices, is of notebooks alone, and jobs have no limit of their own.
        ("{}", []),
        ("everyone: {jobs: {limit: {cards: 1}}}", []),
        ("everyone: {limit: {slices: 4}}", [(Beyond.LIMIT, LimitKind.SLICES, 5, 4)]),
        ("everyone: {limit: {slices: 4}, jobs: {limit: {slices: 1}}}", []),
        (
            "everyone: {limit: {slices: 3}, jobs: {limit: {slices: 0}}}",
            [(Beyond.LIMIT, LimitKind.SLICES, 4, 3), (Beyond.JOB_LIMIT, LimitKind.SLICES, 1, 0)],
        ),
    ],
)
def test_a_persons_jobs_count_with_slices_unless_they_have_a_limit_of_their_own(
    text: str, beyond: list[tuple[Beyond, LimitKind, int, int]]
) -> None:
    before = held()
    after = before.under(document(text), NOON)
    found = new_excesses(before, after, [PersonHere(UserName("ada"), ())])
    assert [(each.what, each.kind, each.held, each.most) for each in found] == beyond


@pytest.mark.parametrize(("more", "times"), [("", 1), ("exceptions: [{who: [p7], why: a}]", 2)])
def test_what_people_may_have_who_are_alike_is_reckoned_once(more: str, times: int) -> None:
    """A hub's people may be in thousands of a document's groups each: admins wait for all."""
    set_ = more.replace("why", "set: {limit: {cards: 1}}, why")
    after = held().under(document(f"groups: {{g: {{members: [staff]}}}}\n{set_}"), NOON)
    people = [PersonHere(UserName(f"p{number}"), ("staff",)) for number in range(20)]
    before = holdings("")
    profile = cProfile.Profile()
    profile.runcall(new_excesses, before, after, people)
    calls = [each.callcount for each in profile.getstats() if each.code is rights_of.__code__]
    assert calls == [1 + times]
