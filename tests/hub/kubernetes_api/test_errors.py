"""Which of Kubernetes' refusals pass, and which do not."""

import pytest
from sublet_hub.kubernetes_api.errors import KubeError

POLICY = "ValidatingAdmissionPolicy 'jhub-sublet-jobs'"
BINDING = f"{POLICY} with binding 'jhub-sublet-jobs'"
CASES = [
    ("a field that is wrong", 422, "spec.template: Invalid value", True),
    ("a policy's own word", 422, f"{BINDING} denied request: a job of Sublet names itself", True),
    ("a right that is missing", 403, "cannot create resource jobs in API group batch", True),
    ("a quota that is used up", 403, "jobs is forbidden: exceeded quota: few", False),
    (
        "a policy whose kind the server does not know yet",
        422,
        f"{POLICY} denied request: failed to configure policy: failed to find resource",
        False,
    ),
    (
        "a policy whose records the server has not read yet",
        422,
        f"{BINDING} denied request: failed to configure binding: paramKind not yet synced",
        False,
    ),
    ("a server that has just started", 403, "jobs: not yet ready to handle request", False),
    ("a server with too much to do", 429, "too many requests", False),
]


@pytest.mark.parametrize(("what", "status", "words", "is_final"), CASES)
def test_asking_again_is_no_use_where_the_request_is_wrong(
    what: str, status: int, words: str, *, is_final: bool
) -> None:
    message = f"Kubernetes refused POST jobs ({status}): {words}"
    assert KubeError(message, status).is_final is is_final, what


RECORDS = "ValidatingAdmissionPolicy 'jhub-sublet-owner-records' with binding 'b' denied request: x"


@pytest.mark.parametrize(
    ("what", "status", "causes", "may_be"),
    [
        ("a record that is not there yet", 403, [RECORDS], True),
        ("what the same policy refuses for good", 422, [RECORDS], False),
        ("a right that is missing", 403, [], False),
        ("the chart's other policy", 403, [f"{BINDING} denied request: no card"], False),
        ("a policy that speaks of that one", 403, [f"{BINDING} denied request: {RECORDS}"], False),
        ("a webhook", 403, ["admission webhook denied the request"], False),
        ("a server with too much to do", 503, [], False),
    ],
)
def test_what_is_not_recorded_yet_alone_may_be_allowed_soon(
    what: str, status: int, causes: list[str], *, may_be: bool
) -> None:
    error = KubeError("Kubernetes refused POST jobs", status, causes=causes)
    assert error.may_be_granted is may_be, what
