from pathlib import Path

import pytest

from tests.support.kube_spawner import NOWHERE, point_clients_at


@pytest.fixture
def no_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kubernetes clients can be made, and reach nobody."""
    point_clients_at(NOWHERE, tmp_path, monkeypatch)
