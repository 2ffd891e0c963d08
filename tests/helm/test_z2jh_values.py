"""The values for zero-to-jupyterhub configure a hub as on one machine, with servers in pods."""

import re
import stat
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubespawner import KubeSpawner
from sublet_quota.names import scopes
from sublet_spawner.hub_configuration import SERVER_TOKEN_SCOPES, SERVICE_SCOPES
from sublet_spawner.kube import KubeSliceSpawner
from traitlets.config import Config

from tests.support.fake_z2jh import fake_z2jh
from tests.support.helm_charts import render, run_helm
from tests.support.helm_documents import CHART, ROOT
from tests.support.helm_options import OPTIONS
from tests.support.kube.hub_of_z2jh import objects_of_z2jh
from tests.support.kube_spawner import NOWHERE, point_clients_at
from tests.support.network_policies import PolicedPod, lets_through, pod_of

pytestmark = pytest.mark.usefixtures("helm")
VALUES = yaml.safe_load((ROOT / "helm" / "z2jh-values.yaml").read_text())
TOKEN = "token-of-the-service"  # noqa: S105 - an example


@pytest.fixture
def configured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Run what the hub runs, over a hub that is configured already."""

    point_clients_at(NOWHERE, tmp_path, monkeypatch)

    def run(custom: Mapping[str, Any], before: Config | None = None) -> Config:
        token_file = tmp_path / "token"
        settings = {**VALUES["custom"]["sublet"], "tokenFile": str(token_file), **custom}
        z2jh = fake_z2jh({"custom": {"sublet": settings}}, {"hub.services.sublet.apiToken": TOKEN})
        monkeypatch.setitem(sys.modules, "z2jh", z2jh)
        monkeypatch.setenv("POD_NAMESPACE", "jhub")
        c = Config() if before is None else before
        # zero-to-jupyterhub has done so before.
        c.JupyterHub.setdefault("services", []).append({"name": "sublet", "api_token": TOKEN})
        for code in VALUES["hub"]["extraConfig"].values():
            exec(code, {"c": c})  # noqa: S102 - as the hub does
        assert stat.S_IMODE(token_file.stat().st_mode) == 0o600
        return c

    return run


def copied_from_notes(release: str, namespace: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """What the chart's notes say is to be copied."""
    said = run_helm(
        *("install", release, CHART, "--dry-run=client", "--namespace", namespace), values=values
    )
    (found,) = re.finditer(r"^( +)custom:\n(?:\1 +.*\n)+", said, re.MULTILINE)
    return dict(yaml.safe_load(found[0])["custom"]["sublet"])


def objects_of(release: str, namespace: str, values: Mapping[str, Any]) -> list[dict[str, Any]]:
    words = ("template", release, CHART, "--namespace", namespace)
    return [each for each in yaml.safe_load_all(run_helm(*words, values=values)) if each]


def test_the_hub_knows_the_service_where_the_chart_puts_it(configured: Any) -> None:
    c = configured({})
    (service,) = c.JupyterHub.services
    chart = render({})
    found = chart.one("Service", "sublet")
    assert service["url"] == f"http://sublet:{found['spec']['ports'][0]['port']}"
    assert service["api_token"] == TOKEN
    assert c.SliceSpawnerMixin.service_url == chart.configuration("hub")["service_url"]


@pytest.mark.parametrize(
    ("release", "namespace", "values"),
    [
        ("sublet", "jhub", {}),
        ("sublet", "sublet", {}),
        ("gpu", "jhub", {"service": {"port": 9000}, "simulatedGpus": {"enabled": True}}),
        ("sublet", "jhub", OPTIONS["names"]),
        ("sublet", "jhub", OPTIONS["other priorities"]),
        ("sublet", "jhub", OPTIONS["agents' place"]),
    ],
)
def test_what_the_notes_say_is_what_the_release_is_called(
    configured: Any, release: str, namespace: str, values: Mapping[str, Any]
) -> None:
    copied = copied_from_notes(release, namespace, values)
    assert set(copied) <= set(VALUES["custom"]["sublet"])
    c = configured(copied)
    made = objects_of(release, namespace, values)
    services = {
        f"http://{each['metadata']['name']}.{namespace}:{each['spec']['ports'][0]['port']}"
        for each in made
        if each["kind"] == "Service"
    }
    assert c.JupyterHub.services[0]["url"] in services
    classes = {each["metadata"]["name"] for each in made if each["kind"] == "PriorityClass"}
    assert c.KubeSpawner.priority_class_name in {*classes, "theirs"}
    (agents,) = (
        e
        for e in made
        if e["metadata"]["name"].endswith("-agent") and "spec" in e and e["kind"] == "DaemonSet"
    )
    folders = {
        volume["hostPath"]["path"]
        for volume in agents["spec"]["template"]["spec"]["volumes"]
        if volume["name"] == "tenants"
    }
    assert folders == {c.KubeSliceSpawner.agent_host_folder}


def test_rights_are_those_of_one_machine(configured: Any) -> None:
    c = configured({})
    assert set(c.JupyterHub.custom_scopes) == set(scopes.DESCRIPTIONS)
    assert c.Spawner.server_token_scopes == list(SERVER_TOKEN_SCOPES)
    roles = {role["name"]: role for role in c.JupyterHub.load_roles}
    assert roles["sublet-service"]["scopes"] == list(SERVICE_SCOPES)


def test_with_an_origin_for_each_user_servers_find_the_service_at_the_proxy(
    configured: Any,
) -> None:
    before = Config({"JupyterHub": {"subdomain_host": "https://hub.example.org"}})
    c = configured({"serviceAddress": "http://sublet.jhub:8901"}, before)
    asked = c.SliceSpawnerMixin.service_url.removeprefix("http://")
    assert c.Proxy.extra_routes == {asked: "http://sublet.jhub:8901"}


def a_spawner(c: Config) -> KubeSliceSpawner:
    """KubeSpawner wants a running loop."""
    return KubeSliceSpawner(_mock=True, config=c)


@pytest.mark.asyncio
async def test_servers_find_the_sockets_where_the_agents_make_them(configured: Any) -> None:
    c = configured({"simulatedGpus": True})
    spawner = a_spawner(c)
    chart = render({"simulatedGpus": {"enabled": True}})
    pod = chart.one("DaemonSet", "sublet-agent")["spec"]["template"]["spec"]
    (tenants,) = [volume for volume in pod["volumes"] if volume["name"] == "tenants"]
    assert spawner.agent_host_folder == tenants["hostPath"]["path"]
    assert spawner.agent_socket == chart.configuration("agent")["tenant_socket"]
    assert spawner.simulated_socket == chart.configuration("agent")["simulated_socket"]


@pytest.mark.asyncio
async def test_notebooks_have_no_priority_but_the_one_that_was_named(configured: Any) -> None:
    assert a_spawner(configured({})).priority_class_name in {None, ""}
    named = {"priorityClassName": "jhub-sublet-notebook"}
    assert a_spawner(configured(named)).priority_class_name == "jhub-sublet-notebook"
    before = Config({"KubeSpawner": {"priority_class_name": "theirs"}})
    assert a_spawner(configured(named, before)).priority_class_name == "theirs"


@pytest.mark.asyncio
async def test_what_was_configured_for_kubespawner_stays(configured: Any) -> None:
    before = Config({"KubeSpawner": {"image": "their/image:1", "uid": 1000}})
    spawner = a_spawner(configured({}, before))
    assert isinstance(spawner, KubeSpawner)
    assert spawner.image == "their/image:1"


@pytest.mark.asyncio
async def test_the_backend_is_a_value(configured: Any) -> None:
    c = configured({"backend": "kai", "backendSettings": {"kai": {"queue": "notebooks"}}})
    spawner = a_spawner(c)
    assert spawner.slice_backend == "kai"
    assert spawner.slice_backend_settings == {"kai": {"queue": "notebooks"}}


@pytest.mark.parametrize("option", ["defaults", "names", "service's place"])
def test_policies_let_through_what_is_needed_and_no_more(option: str) -> None:
    theirs = objects_of_z2jh(VALUES)
    chart = render({"jobs": {"enabled": True}, **OPTIONS[option]})
    policies = [e for e in theirs if e["kind"] == "NetworkPolicy"] + chart.all("NetworkPolicy")
    hub, proxy = (
        pod_of(each)
        for name in ("hub", "proxy")
        for each in theirs
        if (each["kind"], each["metadata"]["name"]) == ("Deployment", name)
    )
    (service,) = (pod_of(each) for each in chart.all("Deployment"))
    (agent,) = (pod_of(each) for each in chart.all("DaemonSet"))
    (check,) = (pod_of(each) for each in chart.all("Pod"))
    of_servers = {"app": "jupyterhub", "release": "hub", "component": "singleuser-server"}
    server = PolicedPod({**of_servers, "hub.jupyter.org/network-access-hub": "true"})
    job = PolicedPod({"sublet.dev/job-id": "j-1"})
    port, private = service.ports["http"], service.ports["agents"]
    ways = {
        "the hub to the service": (hub, service, port),
        "the proxy to the service": (proxy, service, port),
        "the service to the hub": (service, hub, 8081),
        "an agent to the service": (agent, service, private),
        "an agent to the service by http": (agent, service, port),
        "the hub to the agents' port": (hub, service, private),
        "a server to the agents' port": (server, service, private),
        "the check to the service": (check, service, port),
        "the check to the proxy": (check, proxy, 8000),
        "a server to the proxy": (server, proxy, 8000),
        "a server to the service": (server, service, port),
        "a job to the service": (job, service, port),
        "a job to the proxy": (job, proxy, 8000),
        "a server to an agent": (server, agent, 8888),
        "an agent to a server": (agent, server, 8888),
    }
    found = {words: lets_through(policies, *way) for words, way in ways.items()}
    refused = {
        "an agent to the service by http",
        "the hub to the agents' port",
        "a server to the agents' port",
        "a server to the service",
        "a job to the service",
        "a job to the proxy",
        "a server to an agent",
        "an agent to a server",
    }
    assert found == {words: words not in refused for words in ways}
