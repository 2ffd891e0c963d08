"""A hub that is configured in the order and by the means of zero-to-jupyterhub's, for tests.

Its own file is used where ``Z2JH_CHART`` names its chart; this has the shape of it: what is set
before the extra configuration runs and what is not there yet, an HTTP client of another kind, a
proxy that is somewhere else, servers that outlive the hub, volumes as mappings, and a limit of
failures.
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
c.JupyterHub.hub_bind_url = "http://:8081"
c.JupyterHub.hub_connect_url = "http://hub:8081"

release = of_chart("Release.Name", "hub")
c.KubeSpawner.common_labels = {
    "app": "jupyterhub",
    "app.kubernetes.io/name": "jupyterhub",
    "release": release,
    "app.kubernetes.io/instance": release,
    "app.kubernetes.io/managed-by": "kubespawner",
}
c.KubeSpawner.namespace = os.environ["POD_NAMESPACE"]
c.Spawner.consecutive_failure_limit = of_chart("hub.consecutiveFailureLimit", 5)
c.KubeSpawner.start_timeout = of_chart("singleuser.startTimeout", 300)
c.KubeSpawner.image_pull_policy = of_chart("singleuser.image.pullPolicy")
c.KubeSpawner.image = ":".join(of_chart(f"singleuser.image.{part}") for part in ("name", "tag"))
c.KubeSpawner.uid = of_chart("singleuser.uid", 1000)
c.KubeSpawner.fs_gid = of_chart("singleuser.fsGid", 100)
c.KubeSpawner.mem_guarantee = of_chart("singleuser.memory.guarantee", "1G")
c.KubeSpawner.extra_labels = {"hub.jupyter.org/network-access-hub": "true"}
c.KubeSpawner.allow_privilege_escalation = False
volume = of_chart("singleuser.storage.dynamic.volumeNameTemplate", "volume-{user_server}")
c.KubeSpawner.pvc_name_template = of_chart("singleuser.storage.dynamic.pvcNameTemplate")
c.KubeSpawner.storage_pvc_ensure = True
c.KubeSpawner.storage_class = of_chart("singleuser.storage.dynamic.storageClass")
c.KubeSpawner.storage_access_modes = ["ReadWriteOnce"]
c.KubeSpawner.storage_capacity = of_chart("singleuser.storage.capacity", "10Gi")
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
for section, settings in of_chart("hub.config", {}).items():
    c[section].update(settings)
for _, code in sorted(of_chart("hub.extraConfig", {}).items()):
    exec(code)  # noqa: S102 - as there
