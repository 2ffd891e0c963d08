"""The chart's tests use the real helm; where it cannot be had they are skipped, and say why."""

import pytest

from tests.support.helm_programs import find_helm
from tests.support.kube.programs import MissingError


@pytest.fixture(scope="session")
def helm() -> None:
    try:
        find_helm()
    except MissingError as missing:
        pytest.skip(f"no helm here: {missing}")
