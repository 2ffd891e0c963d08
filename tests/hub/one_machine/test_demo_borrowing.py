"""Whether the demo's fifth act sees who is called back, and that this is told for whom."""

from typing import Any

import pytest
from sublet_hub.one_machine.demo.borrowing import called_back, expect_ranks, newest_borrower

from tests.support.demo_cast import stage_of_a_job

pytestmark = pytest.mark.asyncio
MEANING = "Called back: its room is due to lab."


def a_slice(owner: str, rank: str, holder: str = "notebook") -> dict[str, Any]:
    lease = {"owner": owner, "holder": holder}
    return {"lease": lease, "rank": {"code": rank, "meaning": MEANING}, "report": None}


class FakeService:
    """Tells of one card, and of one's own slice."""

    def __init__(self, *slices: dict[str, Any]) -> None:
        self.slices = slices

    async def service(self, _method: str, path: str) -> Any:
        told = {"slices": list(self.slices)}
        return [told] if path == "gpus" else told


def stage_with(*slices: dict[str, Any]) -> Any:
    stage: Any = stage_of_a_job(seen_in=(1,), pid=1, attempts=1)
    stage.admin = FakeService(*slices)
    return stage


async def test_who_borrowed_last_is_asked_for_among_notebooks():
    slices = (a_slice("bea", "borrowed"), a_slice("ada", "borrowed"))
    stage = stage_with(*slices, a_slice("cleo", "borrowed", holder="job"))
    assert await newest_borrower(stage) == "ada"


@pytest.mark.parametrize(
    ("owners", "borrowers", "wrong"),
    [
        ("entitled", "called-back", []),
        ("borrowed", "called-back", ["the slice of dora is not entitled"]),
        ("entitled", "borrowed", ["the slice of ada is not called-back"]),
    ],
)
async def test_ranks_that_are_not_as_guarantees_have_them_are_wrong(owners, borrowers, wrong):
    stage = stage_with(a_slice("ada", borrowers), a_slice("dora", owners))
    await expect_ranks(stage, "ada")
    assert stage.record.wrong == wrong


@pytest.mark.parametrize(
    ("state", "reason", "told"),
    [
        ("suspended", "called-back", MEANING),
        ("suspended", "turn", None),
        ("resident", "called-back", None),
    ],
)
async def test_the_reason_counts_once_the_memory_has_left_for_it(state, reason, told):
    mine = {**a_slice("ada", "called-back"), "report": {"state": state, "wait": {"reason": reason}}}
    stage = stage_with()
    stage.people["ada"] = FakeService(mine)
    assert await called_back(stage, "ada") == told
