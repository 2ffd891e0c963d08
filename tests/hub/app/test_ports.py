"""How many connections the service takes, at one port or two."""

import pytest
from sublet_hub.app.application import SubletHub
from sublet_hub.web.connections import most_connections


@pytest.mark.parametrize(
    ("files", "of_one_port", "of_each_of_two"), [(1024, 512, 256), (16_384, 2048, 2048)]
)
def test_half_of_the_files_are_left_for_everything_else_however_many_ports_there_are(
    monkeypatch: pytest.MonkeyPatch, files: int, of_one_port: int, of_each_of_two: int
) -> None:
    monkeypatch.setattr("resource.getrlimit", lambda _: (files, files))
    assert (most_connections(), most_connections(2)) == (of_one_port, of_each_of_two)
    assert (SubletHub(agents_port=1).ports, SubletHub().ports) == (2, 1)
