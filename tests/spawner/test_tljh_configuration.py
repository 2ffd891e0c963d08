"""Sublet's file among those of The Littlest JupyterHub takes nothing away."""

import sys
from pathlib import Path, PurePosixPath

import pytest
from sublet_hub.installation.configuration import hub_configuration
from sublet_hub.installation.facts import HubKind
from traitlets.config.loader import PyFileConfigLoader

from tests.support.installing import a_hub, chosen

TLJH = Path(__file__).parents[1] / "support/pretended_tljh"
OF_THE_ADMIN = """
c.JupyterHub.services.append({"name": "of-the-admin"})
c.JupyterHub.load_roles = [{"name": "teacher", "scopes": ["list:users"], "users": ["emmy"]}]
c.Spawner.args.append("--debug")
"""


@pytest.fixture
def config(tmp_path, monkeypatch):
    """The hub's whole configuration, with a file of the admin's and Sublet's."""
    token = tmp_path / "service-token"
    token.write_text("a-secret-of-the-tests")
    token.chmod(0o600)
    choices = chosen(a_hub(kind=HubKind.TLJH, prefix=PurePosixPath("/opt/tljh")))
    folder = tmp_path / "jupyterhub_config.d"
    folder.mkdir()
    (folder / "admin.py").write_text(OF_THE_ADMIN)
    text = hub_configuration(choices).replace("/etc/sublet/service-token", str(token))
    (folder / "zz-sublet.py").write_text(text)
    monkeypatch.setenv("TLJH_CONFIG_FOLDER", str(folder))
    monkeypatch.syspath_prepend(str(TLJH))
    yield PyFileConfigLoader("jupyterhub_config.py", path=str(TLJH / "tljh")).load_config()
    for name in [name for name in sys.modules if name.partition(".")[0] == "tljh"]:
        del sys.modules[name]
    sys.modules.pop("sublet_spawner.tljh_configuration", None)


def test_all_services_and_roles_stand_side_by_side(config):
    services = [service["name"] for service in config.JupyterHub.services]
    assert services == ["cull-idle", "of-a-plugin", "of-the-admin", "sublet"]
    roles = [role["name"] for role in config.JupyterHub.load_roles]
    assert [name for name in roles if name != "user"] == [
        "teacher",
        "sublet-service",
        "sublet-admin",
        "sublet-reader",
    ]


def test_the_hubs_admins_are_sublets(config):
    (role,) = [r for r in config.JupyterHub.load_roles if r["name"] == "sublet-admin"]
    assert role["users"] == ["grace"]


def test_what_else_was_set_is_set_once(config):
    assert config.Spawner.args.get_value([]) == ["--debug"]
    assert config.JupyterHub.hub_port == 15001


def test_the_spawner_is_set_up(config):
    assert config.JupyterHub.spawner_class == "sublet-tljh"
    assert config.SliceSpawnerMixin.service_url == "http://127.0.0.1:8901/services/sublet/"
    assert config.SliceSpawnerMixin.job_python == "/opt/hub/bin/python3"
    assert "access:servers!server" in config.Spawner.server_token_scopes
