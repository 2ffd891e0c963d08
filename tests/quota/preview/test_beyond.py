"""Who would hold more than another document says: jobs and slices as admission counts them."""

from dataclasses import replace

import pytest
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
