"""The hub's settings are read as the hub reads them."""

import sys
from pathlib import PurePosixPath

import pytest
from sublet_hub.installation.configuration import INCLUDING_LINE, hub_configuration
from sublet_hub.installation.facts import HubSettings
from sublet_hub.installation.hub_settings import HubSettingsError, read_settings
from sublet_hub.installation.hub_units import HubUnit
from sublet_hub.installation.layout import TLJH_PART
from traitlets.config.loader import PyFileConfigLoader

from tests.support.installing import chosen


def settings_of(folder, text, options=(), python=sys.executable):
    """What is read with a configuration file, or with none where its text is `None`."""
    file = folder / "jupyterhub_config.py"
    if text is not None:
        file.write_text(text)
    python, file, folder = map(PurePosixPath, (python, file, folder))
    environment = {"WHERE": "/jupyter"}
    unit = HubUnit(
        "jupyterhub.service", python, file, folder, environment=environment, options=options
    )
    return read_settings(python, file, unit)


TEXTS = {
    "": HubSettings(),
    "print('hello')": HubSettings(),
    "import os\nc.JupyterHub.base_url = os.environ['WHERE']": HubSettings(
        "/jupyter/", "http://127.0.0.1:8081/jupyter/hub/api"
    ),
    "c.JupyterHub.bind_url = 'http://:9000/jupyter/'\nc.JupyterHub.hub_port = 81": HubSettings(
        "/jupyter/", "http://127.0.0.1:81/jupyter/hub/api", public_port=9000
    ),
    "c.JupyterHub.port = 80": HubSettings(public_port=80),
    "c.JupyterHub.subdomain_host = 'https://hub.test'": HubSettings(
        subdomain_host="https://hub.test"
    ),
    "c.JupyterHub.subdomain_hook = 'legacy'": HubSettings(subdomain_hook="legacy"),
    "from jupyterhub.utils import subdomain_hook_legacy as h\nc.JupyterHub.subdomain_hook = h": (
        HubSettings(subdomain_hook="legacy")
    ),
    "from posixpath import join\nc.JupyterHub.subdomain_hook = join": HubSettings(
        subdomain_hook="posixpath:join"
    ),
    "c.JupyterHub.subdomain_hook = lambda name, domain, kind: domain": HubSettings(
        subdomain_hook=None
    ),
    "c.ConfigurableHTTPProxy.api_url = 'http://127.0.0.1:9001'": HubSettings(proxy_api_port=9001),
    "c.TraefikProxy.traefik_api_url = 'http://127.0.0.1:8099'": HubSettings(proxy_api_port=8099),
    "c.JupyterHub.hub_bind_url = 'http://10.0.0.1:8082'": HubSettings(
        "/", "http://10.0.0.1:8082/hub/api"
    ),
    "c.JupyterHub.hub_ip = '0.0.0.0'\nc.JupyterHub.spawner_class = 'systemd'": HubSettings(
        spawner="systemd"
    ),
    "from jupyterhub.spawner import LocalProcessSpawner as L\nc.JupyterHub.spawner_class = L": (
        HubSettings(spawner="jupyterhub.spawner.LocalProcessSpawner")
    ),
    "c.JupyterHub.internal_ssl = True": HubSettings(internal_ssl=True),
}


@pytest.mark.parametrize("text", TEXTS)
def test_what_the_configuration_says(tmp_path, text):
    assert settings_of(tmp_path, text) == TEXTS[text]


def test_a_configuration_that_fails_says_why(tmp_path):
    with pytest.raises(HubSettingsError, match="NameError: name 'nobody' is not defined"):
        settings_of(tmp_path, "nobody")


def test_a_python_that_is_not_there_says_so(tmp_path):
    with pytest.raises(HubSettingsError, match="No such file"):
        settings_of(tmp_path, "", python="/no/python")


LOST = INCLUDING_LINE.replace("/etc/sublet/", "/nowhere/")


def test_a_part_of_sublets_that_is_lost_hides_nothing_of_the_rest(tmp_path):
    text = f"import os\nc.JupyterHub.base_url = os.environ['WHERE']\n{LOST}\n"
    assert settings_of(tmp_path, text).base_url == "/jupyter/"


def test_a_part_of_sublets_that_fails_on_the_littlest_jupyterhub_hides_nothing(tmp_path):
    (tmp_path / TLJH_PART).write_text("raise ValueError('the token is open to others')")
    text = f"c.JupyterHub.base_url = '/lab/'\nload_subconfig({TLJH_PART!r})\n"
    assert settings_of(tmp_path, text).base_url == "/lab/"


def test_what_fails_without_sublets_part_is_what_is_told(tmp_path):
    with pytest.raises(HubSettingsError, match="NameError: name 'nobody' is not defined"):
        settings_of(tmp_path, f"{LOST}\nnobody")


OPTIONS = {
    ("-f", "/etc/j.py", "--base-url=/lab/", "--port", "9000"): HubSettings(
        "/lab/", "http://127.0.0.1:8081/lab/hub/api", public_port=9000
    ),
    ("--url", "http://:8000/lab", "--upgrade-db"): HubSettings(
        "/lab/", "http://127.0.0.1:8081/lab/hub/api"
    ),
    ("--JupyterHub.hub_port=99", "--JupyterHub.hub_ip", "10.0.0.1"): HubSettings(
        "/", "http://10.0.0.1:99/hub/api"
    ),
    ("--JupyterHub.spawner_class=systemd", "--JupyterHub.internal_ssl=False"): HubSettings(
        spawner="systemd"
    ),
    ("--JupyterHub.subdomain_hook=legacy", "--JupyterHub.subdomain_host=h"): HubSettings(
        subdomain_host="h", subdomain_hook="legacy"
    ),
    ("--JupyterHub.db_url=postgresql://${WHERE_NOBODY_KNOWS}",): HubSettings(),
}


@pytest.mark.parametrize("options", OPTIONS)
def test_what_the_command_line_says_without_a_configuration(tmp_path, options):
    assert settings_of(tmp_path, None, options) == OPTIONS[options]


def test_a_hook_that_only_the_hub_s_folder_has_is_none_of_others(tmp_path):
    (tmp_path / "names_of_ours.py").write_text("def named(name, domain, kind): return domain")
    text = "from names_of_ours import named\nc.JupyterHub.subdomain_hook = named"
    assert settings_of(tmp_path, text) == HubSettings(subdomain_hook=None)


def test_the_command_line_has_the_last_word(tmp_path):
    text = "c.JupyterHub.base_url = '/file/'\nc.JupyterHub.hub_port = 81"
    found = settings_of(tmp_path, text, ("--base-url=/line/",))
    assert found == HubSettings("/line/", "http://127.0.0.1:81/line/hub/api")


@pytest.mark.parametrize("option", ["$OPTIONS", "--base-url=${BASE}"])
def test_a_command_line_with_what_is_not_known_says_so(tmp_path, option):
    with pytest.raises(HubSettingsError, match=r"what .*\$.* on its command line stands for"):
        settings_of(tmp_path, "", (option,))


def test_the_included_part_adds_to_what_the_admin_set(tmp_path):
    token = tmp_path / "service-token"
    token.write_text("a-secret-of-the-tests")
    token.chmod(0o600)
    part = tmp_path / "part.py"
    part.write_text(hub_configuration(chosen()).replace("/etc/sublet/service-token", str(token)))
    text = """
c.JupyterHub.services = [{"name": "mine"}]
c.JupyterHub.load_roles = [{"name": "teacher", "scopes": []}]
"""
    (tmp_path / "config.py").write_text(
        text + INCLUDING_LINE.replace("/etc/sublet/jupyterhub_config.py", str(part))
    )
    config = PyFileConfigLoader("config.py", path=str(tmp_path)).load_config()
    assert [each["name"] for each in config.JupyterHub.services] == ["mine", "sublet"]
    assert config.JupyterHub.load_roles[0]["name"] == "teacher"
    assert config.JupyterHub.spawner_class == "sublet-local"
