"""What the machine's own programs are asked, where there is no systemd that could answer."""

import shutil
from pathlib import Path

import pytest
from sublet_hub.installation.system import LinuxSystem

HAS_SYSTEMD = Path("/run/systemd/system").is_dir()


@pytest.mark.skipif(HAS_SYSTEMD, reason="asks for a unit where there is no systemd that runs")
@pytest.mark.parametrize("is_there", [True, False])
def test_without_systemd_nothing_runs_and_nothing_is_said(capfd, monkeypatch, is_there):
    if not is_there:
        monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    elif shutil.which("systemctl") is None:
        pytest.skip("systemctl is not here to say something")
    system = LinuxSystem(Path("/"))
    assert not system.is_active("sublet-of-no-machine.service")
    assert system.started_at("sublet-of-no-machine.service") is None
    assert capfd.readouterr() == ("", "")


def test_in_an_image_everything_runs_and_nothing_was_started(tmp_path):
    system = LinuxSystem(tmp_path)
    assert system.is_active("sublet-hub.service")
    assert system.started_at("jupyterhub.service") is None
