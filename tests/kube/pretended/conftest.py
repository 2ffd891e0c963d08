"""What the tests of pretended nodes share: the operators that jobs depend on, real or fakes."""

from collections.abc import Iterator

import pytest

from tests.support.kube.admitting_fake import admitting_fake
from tests.support.kube.api import Api
from tests.support.kube.control_plane import ControlPlane
from tests.support.kube.jobset_fake import jobset_fake
from tests.support.kube.operators import JOB_SET, KUEUE, TRAINER, running
from tests.support.kube.trainjob_fake import trainjob_fake


@pytest.fixture(scope="package")
def kueue(control_plane: ControlPlane, cluster: Api) -> Iterator[Api]:
    """Kueue itself where ``KUEUE_BIN`` names it, else a fake."""
    if KUEUE.manager is None:
        with admitting_fake(cluster):
            yield cluster
    else:
        with running(control_plane, cluster, KUEUE):
            yield cluster


@pytest.fixture(scope="package")
def job_sets(control_plane: ControlPlane, cluster: Api) -> Iterator[Api]:
    """JobSet itself where ``JOBSET_BIN`` names it, else a fake that refuses the same."""
    if JOB_SET.manager is None:
        with jobset_fake(cluster):
            yield cluster
    else:
        with running(control_plane, cluster, JOB_SET):
            yield cluster


@pytest.fixture(scope="package")
def train_jobs(control_plane: ControlPlane, cluster: Api, job_sets: Api) -> Iterator[Api]:
    """Kubeflow's trainer itself where ``TRAINER_BIN`` names it, else a fake; beside JobSet."""
    assert job_sets
    if TRAINER.manager is None:
        with trainjob_fake(cluster):
            yield cluster
    else:
        with running(control_plane, cluster, TRAINER):
            yield cluster
