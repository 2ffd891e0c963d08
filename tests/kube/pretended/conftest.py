"""What the tests of pretended nodes share: the operators that jobs depend on, real or fakes."""

from collections.abc import Iterator

import pytest

from tests.support.kube.admitting_fake import admitting_fake
from tests.support.kube.api import Api
from tests.support.kube.control_plane import ControlPlane
from tests.support.kube.jobset_fake import jobset_fake
from tests.support.kube.operators import JOB_SET, KUEUE, running


@pytest.fixture(scope="session")
def kueue(control_plane: ControlPlane, cluster: Api) -> Iterator[Api]:
    """Kueue itself where ``KUEUE_BIN`` names it, else a fake."""
    if KUEUE.manager is None:
        with admitting_fake(cluster):
            yield cluster
    else:
        with running(control_plane, cluster, KUEUE):
            yield cluster


@pytest.fixture(scope="session")
def job_sets(control_plane: ControlPlane, cluster: Api) -> Iterator[Api]:
    """JobSet itself where ``JOBSET_BIN`` names it, else a fake that refuses the same."""
    if JOB_SET.manager is None:
        with jobset_fake(cluster):
            yield cluster
    else:
        with running(control_plane, cluster, JOB_SET):
            yield cluster
