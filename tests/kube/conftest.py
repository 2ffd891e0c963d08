"""One real cluster for all the tests here, and a namespace for each."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.kube.api import Api
from tests.support.kube.control_plane import ControlPlane, start_control_plane
from tests.support.kube.node import Node, must_be_possible, start_node
from tests.support.kube.notebook_image import NOTEBOOK, notebook_image
from tests.support.kube.pretended_nodes import start_kwok
from tests.support.kube.processes import Programs
from tests.support.kube.programs import MissingError
from tests.support.kube.run_folder import run_folder
from tests.support.kube.sublet_on_cluster import SubletOnCluster, start_sublet


@pytest.fixture(scope="package")
def kube_folder() -> Iterator[Path]:
    with run_folder() as folder:
        yield folder


@pytest.fixture(scope="package")
def control_plane(kube_folder: Path) -> Iterator[ControlPlane]:
    programs = Programs(kube_folder)
    try:
        plane = start_control_plane(programs)
        yield plane
        plane.session.close()
    except MissingError as missing:
        pytest.skip(f"no Kubernetes here: {missing}")
    finally:
        programs.stop()


@pytest.fixture(scope="package")
def cluster(control_plane: ControlPlane) -> Api:
    return Api(control_plane)


@pytest.fixture(scope="package")
def pretended_nodes(control_plane: ControlPlane) -> None:
    """Nodes that a test makes are played by kwok."""
    try:
        start_kwok(control_plane)
    except MissingError as missing:
        pytest.skip(f"no kwok here: {missing}")


@pytest.fixture(scope="package")
def node(control_plane: ControlPlane, cluster: Api) -> Iterator[Node]:
    """A real node, whose pods are real containers."""
    try:
        must_be_possible()
    except MissingError as missing:
        pytest.skip(f"no node here: {missing}")
    started = start_node(control_plane, cluster)
    yield started
    started.stop(cluster)


@pytest.fixture(scope="package")
def notebook_image_on_node(node: Node, kube_folder: Path) -> str:
    """The image of notebooks, service and agent is on the node, with Sublet as it is here."""
    try:
        archive = notebook_image(kube_folder)
    except MissingError as missing:
        pytest.skip(f"no image of notebooks here: {missing}")
    node.containerd.import_image(archive)
    archive.unlink()
    return NOTEBOOK


@pytest.fixture(scope="package")
def sublet(
    cluster: Api, node: Node, notebook_image_on_node: str, kube_folder: Path
) -> Iterator[SubletOnCluster]:
    """Hub and service on this machine, the agent in a pod, servers in pods."""
    assert notebook_image_on_node
    started = start_sublet(node.programs, cluster.make_namespace("sublet"), node, kube_folder)
    yield started
    started.stop()


@pytest.fixture
def namespace(cluster: Api) -> Iterator[Api]:
    """A namespace of the test's own; all that is in it goes with it."""
    name = f"test-{secrets.token_hex(4)}"
    yield cluster.make_namespace(name)
    cluster.delete("v1", "Namespace", name)
