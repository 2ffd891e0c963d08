"""What a newer part says is read by an older one; what users and tenants send is read strictly."""

import pytest
from pydantic import BaseModel, ValidationError
from sublet_quota.wire import agent_link, api, jobs, notebook_server, share, standing, tenant_socket
from sublet_quota.wire.schema import WireModel

SENT = {
    # By users and by the hub, for whom a misspelt key must not go unseen.
    "AccountTemplate",
    "JobRequest",
    "KeepRequest",
    "LendingSwitch",
    "LiteralsRequest",
    "PodStarted",
    "PodTemplate",
    "ResizeRequest",
    "SliceRequest",
    "SliceStarted",
    "TakenOfNode",
    # By tenants, and as the frames of what agents say.
    "AgentEvent",
    "AskShare",
    "EnterGate",
    "Events",
    "Hello",
    "KernelActivity",
    "LeaveGate",
    "Status",
}


def models() -> dict[str, list[type[BaseModel]]]:
    found: dict[str, list[type[BaseModel]]] = {"forbid": [], "ignore": []}
    for module in (agent_link, api, jobs, notebook_server, share, standing, tenant_socket):
        for each in vars(module).values():
            if (
                isinstance(each, type)
                and issubclass(each, WireModel)
                and each.__module__ == (module.__name__)
            ):
                found[str(each.model_config["extra"])].append(each)
    return found


def test_what_is_sent_is_read_strictly_and_what_is_answered_is_not() -> None:
    assert {each.__name__ for each in models()["forbid"]} == SENT


def test_an_answer_that_says_more_than_is_known_is_read() -> None:
    move = {
        "kind": "resuming",
        "began": "2026-11-25T10:00:00Z",
        "bytes_mib": 1024,
        "expected_s": 1.0,
        "of_a_later_version": [1, 2],
    }
    read = tenant_socket.ShareMove.model_validate(move)
    assert read.bytes_mib == 1024
    assert "of_a_later_version" not in read.model_dump()


def test_a_request_that_says_more_than_is_known_is_refused() -> None:
    with pytest.raises(ValidationError, match="minuts"):
        api.KeepRequest.model_validate({"minutes": 5, "minuts": 6})
