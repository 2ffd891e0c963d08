"""What parts of an older version say is understood: upgrades go from images to chart to hub."""

import json

import pytest
from pydantic import ValidationError
from sublet_quota.residency.snapshot import Rank
from sublet_quota.wire.agent_link import SliceAssignment, Status
from sublet_quota.wire.api import LendingState, SliceInfo
from sublet_quota.wire.standing import NOT_TOLD
from sublet_quota.wire.tenant_socket import TO_TENANT, GateOpen, GateWaits, LocalShare

GPU = {
    "gpu_id": "g",
    "index": 0,
    "type": "t",
    "simulated": True,
    "memory_mib": 1,
    "foreign": None,
    "not_frozen": None,
}
STATUS = {
    "type": "status",
    "epoch": 1,
    "sequence": 1,
    "at": "2026-11-29T08:04:09.659322Z",
    "slices": [],
    "acknowledged": -1,
}
SHARE = {
    "type": "share",
    "slice_id": "a",
    "gpu_id": "g",
    "gpu_type": "t",
    "simulated": True,
    "cap_mib": 1024,
    "memory_mib": 512,
    "host_mib": 0,
    "state": "resident",
    "active": True,
    "since": "2026-11-29T08:04:09.659322Z",
    "utilisation_percent": 0,
    "lent": False,
    "unsuspendable": None,
    "advice": "",
    "message": "Your data is safe in host memory, and comes back when you run a cell.",
}


@pytest.mark.parametrize(
    "told",
    [
        {"foreign": "1234 hold 3 GiB and are no slice's"},
        {"not_frozen": "freezing is switched off (SubletAgent.freeze)"},
    ],
)
def test_an_agents_report_with_sentences_where_codes_are_now_is_read(told: dict[str, str]) -> None:
    said = json.dumps({**STATUS, "gpus": [{**GPU, **told}]})
    (gpu,) = Status.model_validate_json(said).gpus
    assert (gpu.foreign_processes, gpu.unfrozen) == (None, None)
    assert (gpu.unfit, gpu.unfit_reasons) == (None, ())


def test_an_agents_answers_at_the_gate_that_name_no_cell_are_read() -> None:
    assert TO_TENANT.validate_json('{"type": "open"}') == GateOpen()
    wait = '{"type": "wait", "reason": "turn", "place": 2, "message": "You are number 2."}'
    assert TO_TENANT.validate_json(wait) == GateWaits(
        reason="turn", place=2, message="You are number 2."
    )


def test_an_agents_share_without_a_standing_is_read_and_says_that_it_is_not_told() -> None:
    share = TO_TENANT.validate_json(json.dumps(SHARE))
    assert isinstance(share, LocalShare)
    assert share.standing == NOT_TOLD


def test_a_longer_reason_that_an_older_service_took_is_read() -> None:
    told = LendingState.model_validate({"lending": False, "reason": "r" * 4000})
    assert told.reason == "r" * 4000


def test_a_services_slice_may_come_without_a_standing() -> None:
    assert not SliceInfo.model_fields["standing"].is_required()


SERVED = {
    "slice_id": "a",
    "holder": "notebook",
    "owner": "ada",
    "gpu_id": "g",
    "memory_mib": 1024,
    "compute_milli": 250,
    "uid": 1000,
    "created_at": "2026-11-29T08:04:09.659322Z",
}


@pytest.mark.parametrize(
    ("told", "rank"),
    [
        ({}, Rank.BORROWED),
        ({"rank": None}, Rank.BORROWED),
        ({"rank": 7}, Rank.BORROWED),
        *(({"rank": int(rank)}, rank) for rank in Rank),
    ],
)
def test_a_slice_of_which_no_known_rank_is_told_is_borrowed(told, rank) -> None:
    assert SliceAssignment.model_validate_json(json.dumps({**SERVED, **told})).rank is rank


@pytest.mark.parametrize("told", [-1, 2**31, "entitled", True, 0.5])
def test_what_can_be_no_rank_is_refused(told) -> None:
    with pytest.raises(ValidationError):
        SliceAssignment.model_validate_json(json.dumps({**SERVED, "rank": told}))


@pytest.mark.parametrize("rank", Rank)
def test_a_rank_goes_over_the_wire_and_back(rank: Rank) -> None:
    sent = SliceAssignment(**{**SERVED, "rank": rank})
    assert SliceAssignment.model_validate_json(sent.model_dump_json()) == sent
