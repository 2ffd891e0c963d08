"""What Sublet leaves to Kubernetes: GPUs are counted, and notebooks go before jobs."""

from collections.abc import Iterator

import pytest

from tests.support.kube.api import Api
from tests.support.kube.manifests import job, pod, pretended_pod, priority_class
from tests.support.kube.pretended_nodes import give_gpus, pretended_node
from tests.support.kube.processes import wait_for

pytestmark = [
    pytest.mark.kube,
    pytest.mark.usefixtures("pretended_nodes"),
]


@pytest.fixture
def gpus() -> int:
    """What the node says when it is made."""
    return 4


@pytest.fixture
def node(namespace: Api, gpus: int) -> Iterator[str]:
    name = f"node-of-{namespace.namespace}"
    namespace.create(pretended_node(name, gpus))
    yield name
    namespace.delete("v1", "Node", name)


@pytest.fixture
def priorities(namespace: Api) -> Iterator[tuple[str, str]]:
    names = (f"job-of-{namespace.namespace}", f"notebook-of-{namespace.namespace}")
    for name, value in zip(names, (-10, 10), strict=True):
        namespace.create(priority_class(name, value))
    yield names
    for name in names:
        namespace.delete("scheduling.k8s.io/v1", "PriorityClass", name)


def test_a_pod_runs_on_the_node_whose_status_says_gpus(namespace: Api, node: str) -> None:
    namespace.create(pod("notebook", pretended_pod(gpus=2, node=node)))
    assert namespace.wait_for_phase("notebook", "Running")["spec"]["nodeName"] == node


# Never more: the scheduler may hear of the pod before it hears that GPUs are gone.
@pytest.mark.parametrize("gpus", [1])
def test_a_pod_waits_until_the_node_has_as_many_gpus_as_it_asks_for(
    namespace: Api, node: str
) -> None:
    namespace.create(pod("notebook", pretended_pod(gpus=2, node=node)))
    wait_for(
        lambda: "Insufficient nvidia.com/gpu" in namespace.story_of("notebook"),
        60,
        lambda: namespace.story_of("notebook"),
    )
    give_gpus(namespace, node, 2)
    namespace.wait_for_phase("notebook", "Running")


def test_a_notebook_takes_the_place_of_a_job_where_no_gpu_is_left(
    namespace: Api, node: str, priorities: tuple[str, str]
) -> None:
    low, high = priorities
    namespace.create(
        job("training", pretended_pod(gpus=3, node=node, priorityClassName=low), work="training")
    )
    first = wait_for(
        lambda: [each for each in namespace.pods("work=training") if _runs(each)],
        60,
        "the job's pod to run",
    )[0]["metadata"]["uid"]
    namespace.create(pod("notebook", pretended_pod(gpus=2, node=node, priorityClassName=high)))
    namespace.wait_for_phase("notebook", "Running")
    again = wait_for(
        lambda: [
            each for each in namespace.pods("work=training") if each["metadata"]["uid"] != first
        ],
        60,
        "the job to make another pod",
    )[0]
    assert again["status"]["phase"] == "Pending"
    namespace.delete("v1", "Pod", "notebook", grace_s=0)
    namespace.wait_for_phase(again["metadata"]["name"], "Running")


def _runs(each: dict[str, dict[str, str]]) -> bool:
    return each["status"].get("phase") == "Running"
