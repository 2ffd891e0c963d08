"""Keys of an authority of the tests, and a delivery."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sublet_hub.ledger.deliveries import Delivery

from tests.support.kube.certificates import Keys, make_keys


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    folder = tmp_path_factory.mktemp("keys")
    return make_keys(folder, ["127.0.0.1"], datetime.now(UTC))


@pytest.fixture(scope="module")
def certificate(keys: Keys) -> Path:
    """A file with the server's certificate and its key."""
    both = keys.server_certificate.with_name("both.pem")
    both.write_bytes(keys.server_certificate.read_bytes() + keys.server_key.read_bytes())
    return both


@pytest.fixture
def delivery() -> Delivery:
    now = datetime.now(UTC)
    return Delivery(
        delivery_id="d1",
        channel="mail",
        notice_id="n1",
        audience="owner",
        name="ada",
        text="your server is ended: save your work, Zo\u00eb",
        from_admin=False,
        made_at=now,
        until=now + timedelta(hours=1),
        attempts=0,
        next_at=now,
    )
