"""What Kubernetes says of a pod that it does not take, and to whom that is told."""

import json

import pytest
from kubernetes_asyncio.client.rest import ApiException
from sublet_spawner.pod_refused import is_for_now, refusal_of

FULL = 'pods "jupyter-ada" is forbidden: exceeded quota: small, requested: pods=1, used: pods=9'
NO_CLASS = "no PriorityClass with name high was found"
NO_RIGHT = 'pods is forbidden: User "system:serviceaccount:jhub:hub" cannot create resource "pods"'


def error_of(message: str, status: int = 403) -> ApiException:
    error = ApiException(status=status, reason="Forbidden")
    error.body = json.dumps({"kind": "Status", "message": message})
    return error


@pytest.mark.parametrize(("message", "passes"), [(FULL, True), (NO_CLASS, False)])
def test_a_users_pod_that_is_refused_is_told_to_them(message: str, *, passes: bool) -> None:
    refusal = refusal_of(error_of(message))
    assert refusal is not None
    assert message in refusal.message
    assert is_for_now(error_of(message)) is passes


@pytest.mark.parametrize(
    "error", [error_of(NO_RIGHT), error_of("too many requests", 429), error_of("etcd", 500)]
)
def test_what_is_wrong_with_hub_or_server_is_left_to_kubespawner(error: ApiException) -> None:
    assert refusal_of(error) is None
