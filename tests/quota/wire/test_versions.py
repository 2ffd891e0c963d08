"""What a newer part says is read by an older one, of the hub's spawner too; what users and tenants
send is read strictly."""

import json

import pytest
from pydantic import BaseModel, ValidationError
from sublet_quota.wire import agent_link, api, jobs, notebook_server, share, standing, tenant_socket
from sublet_quota.wire.schema import WireModel, read_request

SENT = {
    # By users, for whom a misspelt key must not go unseen.
    "JobRequest",
    "KeepRequest",
    "LendingSwitch",
    "LiteralsRequest",
    "ResizeRequest",
    # By the hub's spawner, on how processes run: no limit of theirs may be passed over.
    "AccountTemplate",
    "PodTemplate",
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


@pytest.mark.parametrize(
    ("model", "told"),
    [
        (
            api.SliceRequest,
            {
                "owner": "ada",
                "account": {
                    "uid": 1,
                    "gid": 1,
                    "home": "/h",
                    "notebook_dir": "/h",
                    "python": "/p",
                },
                "takes": {"cpu_milli": 1, "of_a_later_version": 1},
            },
        ),
        (api.SliceStarted, {"root_pid": 7, "root_start_time": 1.0}),
        (api.PodStarted, {"pod_uid": "u", "namespace": "n", "pod_name": "p"}),
    ],
    ids=lambda given: getattr(given, "__name__", ""),
)
def test_what_a_newer_spawner_says_is_read_but_for_what_is_not_known(
    model: type[WireModel], told: dict[str, object]
) -> None:
    body = json.dumps({**told, "of_a_later_version": {"a": 1}}).encode()
    read = read_request(model, body)
    assert "of_a_later_version" not in read.model_dump_json()


@pytest.mark.parametrize("where", [("account",), ("account", "pod")])
def test_of_how_owners_processes_run_nothing_is_passed_over(where: tuple[str, ...]) -> None:
    account: dict[str, object] = {
        "uid": 1,
        "gid": 1,
        "home": "/h",
        "notebook_dir": "/h",
        "python": "/p",
        "pod": {"namespace": "n", "image": "i"},
    }
    told: dict[str, object] = {"owner": "ada", "account": account}
    inner = told
    for key in where:
        inner = inner[key]  # type: ignore[assignment]
    inner["of_a_later_version"] = 1
    with pytest.raises(ValidationError, match="of_a_later_version"):
        read_request(api.SliceRequest, json.dumps(told).encode())


def test_a_request_that_says_more_than_is_known_is_refused() -> None:
    with pytest.raises(ValidationError, match="minuts"):
        api.KeepRequest.model_validate({"minutes": 5, "minuts": 6})
