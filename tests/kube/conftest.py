"""One real cluster for all the tests here, and a namespace for each."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.kube.api import Api
from tests.support.kube.control_plane import ControlPlane, start_control_plane
from tests.support.kube.node import Node, must_be_possible, start_node
from tests.support.kube.pretended_nodes import start_kwok
from tests.support.kube.processes import Programs, wait_for
from tests.support.kube.programs import MissingError
from tests.support.kube.run_folder import network_of, run_folder


@pytest.fixture(scope="session")
def kube_folder() -> Iterator[Path]:
    with run_folder() as folder:
        yield folder


@pytest.fixture(scope="session")
def control_plane(kube_folder: Path) -> Iterator[ControlPlane]:
    programs = Programs(kube_folder)
    try:
        yield start_control_plane(programs, [network_of(kube_folder).address])
    except MissingError as missing:
        pytest.skip(f"no Kubernetes here: {missing}")
    finally:
        programs.stop()


@pytest.fixture(scope="session")
def cluster(control_plane: ControlPlane) -> Api:
    return Api(control_plane)


@pytest.fixture(scope="session")
def pretended_nodes(control_plane: ControlPlane) -> None:
    """Nodes that a test makes are played by kwok."""
    try:
        start_kwok(control_plane)
    except MissingError as missing:
        pytest.skip(f"no kwok here: {missing}")


@pytest.fixture(scope="session")
def node(control_plane: ControlPlane, cluster: Api) -> Iterator[Node]:
    """A real node, whose pods are real containers."""
    try:
        must_be_possible()
    except MissingError as missing:
        pytest.skip(f"no node here: {missing}")
    started = start_node(control_plane, cluster)
    yield started
    started.stop(cluster)


@pytest.fixture
def namespace(cluster: Api) -> Iterator[Api]:
    """A namespace of the test's own; all that is in it goes with it."""
    name = f"test-{secrets.token_hex(4)}"
    cluster.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    within = cluster.within(name)
    wait_for(
        lambda: within.find("v1", "ServiceAccount", "default"),
        60,
        "the namespace's service account",
    )
    yield within
    cluster.delete("v1", "Namespace", name)
