"""A hub that is configured in the order and by the means of zero-to-jupyterhub's, for tests.

Its own file is used where ``Z2JH_CHART`` names its chart; this has the shape of it: what is set
before the extra configuration runs and what is not there yet, an HTTP client of another kind, a
proxy that is somewhere else, servers that outlive the hub, volumes as mappings, nodes and taints of
its own, and a limit of failures. Not its culler, and no init container that needs its images.
"""

import os
import sys
from pathlib import Path

from tornado.httpclient import AsyncHTTPClient

c = get_config()  # noqa: F821

sys.path.insert(0, str(Path(__file__).parent))
from z2jh import get_config as of_chart  # noqa: E402 - as there: `get_config` was Jupyter's before
from z2jh import get_secret_value  # noqa: E402

AsyncHTTPClient.configure("tornado.curl_httpclient.CurlAsyncHTTPClient")

c.JupyterHub.spawner_class = "kubespawner.KubeSpawner"
c.ConfigurableHTTPProxy.api_url = "http://proxy-api:8001"
c.ConfigurableHTTPProxy.should_start = False
c.JupyterHub.cleanup_servers = False
c.JupyterHub.last_activity_interval = 60
c.JupyterHub.tornado_settings = {"slow_spawn_timeout": 0}
c.JupyterHub.db_url = "sqlite:///jupyterhub.sqlite"
c.JupyterHub.concurrent_spawn_limit = of_chart("hub.concurrentSpawnLimit", 64)
c.JupyterHub.base_url = of_chart("hub.baseUrl", "/")
c.JupyterHub.allow_named_servers = of_chart("hub.allowNamedServers", False)
c.JupyterHub.hub_bind_url = "http://:8081"
c.JupyterHub.hub_connect_url = "http://hub:8081"

release, version = of_chart("Release.Name", "hub"), "jupyterhub-4.4.0"
c.KubeSpawner.common_labels = {
    "app": "jupyterhub",
    "app.kubernetes.io/name": "jupyterhub",
    "release": release,
    "app.kubernetes.io/instance": release,
    "chart": version,
    "helm.sh/chart": version,
    "app.kubernetes.io/managed-by": "kubespawner",
}
c.KubeSpawner.namespace = os.environ["POD_NAMESPACE"]
c.Spawner.consecutive_failure_limit = of_chart("hub.consecutiveFailureLimit", 5)
# What its values leave open is not set at all; what they have empty is set so.
for trait, key, default in (
    ("start_timeout", "startTimeout", 300),
    ("image_pull_policy", "image.pullPolicy", None),
    ("extra_labels", "extraLabels", {"hub.jupyter.org/network-access-hub": "true"}),
    ("extra_annotations", "extraAnnotations", {}),
    ("uid", "uid", 1000),
    ("fs_gid", "fsGid", 100),
    ("node_selector", "nodeSelector", {}),
    ("node_affinity_required", "extraNodeAffinity.required", []),
    ("node_affinity_preferred", "extraNodeAffinity.preferred", []),
    ("extra_containers", "extraContainers", []),
    ("mem_limit", "memory.limit", None),
    ("mem_guarantee", "memory.guarantee", "1G"),
    ("extra_resource_limits", "extraResource.limits", {}),
    ("extra_resource_guarantees", "extraResource.guarantees", {}),
    ("environment", "extraEnv", {}),
    ("profile_list", "profileList", []),
    ("extra_pod_config", "extraPodConfig", {}),
    ("pvc_name_template", "storage.dynamic.pvcNameTemplate", None),
    ("storage_class", "storage.dynamic.storageClass", None),
    ("storage_capacity", "storage.capacity", "10Gi"),
):
    told = of_chart(f"singleuser.{key}", default)
    if told is not None:
        setattr(c.KubeSpawner, trait, told)
c.KubeSpawner.image = ":".join(of_chart(f"singleuser.image.{part}") for part in ("name", "tag"))
c.KubeSpawner.allow_privilege_escalation = False
if of_chart("scheduling.userScheduler.enabled", True):
    c.KubeSpawner.scheduler_name = f"{release}-user-scheduler"
purpose = {"key": "hub.jupyter.org/node-purpose", "operator": "In", "values": ["user"]}
preferred = {"weight": 100, "preference": {"matchExpressions": [purpose]}}
c.KubeSpawner.node_affinity_preferred.append(preferred)
dedicated = {"operator": "Equal", "value": "user", "effect": "NoSchedule"}
c.KubeSpawner.tolerations = [
    {"key": f"hub.jupyter.org{separator}dedicated", **dedicated} for separator in "/_"
]
volume = of_chart("singleuser.storage.dynamic.volumeNameTemplate", "volume-{user_server}")
c.KubeSpawner.storage_pvc_ensure = True
c.KubeSpawner.storage_access_modes = ["ReadWriteOnce"]
claim = {"name": volume, "persistentVolumeClaim": {"claimName": "{pvc_name}"}}
home = of_chart("singleuser.storage.homeMountPath", "/home/jovyan")
c.KubeSpawner.volumes = {volume: claim}
c.KubeSpawner.volume_mounts = {volume: {"mountPath": home, "name": volume, "subPath": None}}

c.JupyterHub.services = []
c.JupyterHub.load_roles = []
for name, service in of_chart("hub.services", {}).items():
    service.pop("apiToken", None)
    token = get_secret_value(f"hub.services.{name}.apiToken")
    c.JupyterHub.services.append({"name": name, **service, "api_token": token})
for name, role in of_chart("hub.loadRoles", {}).items():
    c.JupyterHub.load_roles.append({"name": name, **role})
c.Spawner.cmd = of_chart("singleuser.cmd", "jupyterhub-singleuser")
c.JupyterHub.cookie_secret = get_secret_value("hub.config.JupyterHub.cookie_secret")
c.CryptKeeper.keys = get_secret_value("hub.config.CryptKeeper.keys").split(";")
c.JupyterHub.update({"admin_access": True, "authenticator_class": "dummy"})
for section, settings in of_chart("hub.config", {}).items():
    c[section].update(settings)
for _, code in sorted(of_chart("hub.extraConfig", {}).items()):
    exec(code)  # noqa: S102 - as there
