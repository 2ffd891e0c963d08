"""The hub's own settings, read by its own Python as the hub reads its file and command line."""

import json
import subprocess
from pathlib import PurePosixPath
from typing import Final

from sublet_hub.errors import SubletHubError
from sublet_hub.installation.configuration import MARK
from sublet_hub.installation.facts import HubSettings
from sublet_hub.installation.hub_units import HubUnit
from sublet_hub.installation.layout import TLJH_PART

_WITHIN_S: Final = 60
_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_PROGRAM: Final = """
import io, json, os, sys
import traitlets.config.loader as loading
answer = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # a configuration may print
from urllib.parse import urlsplit
from jupyterhub.app import JupyterHub
from traitlets.config.loader import Config, KVArgParseConfigLoader, PyFileConfigLoader
file, mark, part, *options = sys.argv[1:]
flags, aliases = JupyterHub().flatten_flags()
line = KVArgParseConfigLoader(options, aliases, flags, classes=[JupyterHub])
said = line.load_config()
def load():
    folder, name = os.path.split(file)
    return PyFileConfigLoader(name, path=folder).load_config()
def without_sublet(path, mode):
    with open(path, mode) as opened:
        lines = opened.read().splitlines(keepends=True)
    if os.path.basename(path) == part:
        lines = []
    return io.BytesIO(b"".join(x for x in lines if not x.rstrip().endswith(mark.encode())))
config = Config()
if os.path.exists(file):
    try:
        config = load()
    except Exception:  # by Sublet's own part? An installation mends that
        loading.open = without_sublet
        config = load()
config.merge(said)  # the command line has the last word
hub = config.get("JupyterHub", {})
def setting(key, otherwise):
    value = hub.get(key, otherwise)
    return value.get_value(otherwise) if hasattr(value, "get_value") else value
spawner = setting("spawner_class", "")
if isinstance(spawner, type):
    spawner = spawner.__module__ + "." + spawner.__name__
bind = urlsplit(str(setting("bind_url", "")))
base = str(setting("base_url", "") or bind.path or "/")
hub_bind = urlsplit(str(setting("hub_bind_url", "")))
ip = hub_bind.hostname or str(setting("hub_ip", "127.0.0.1"))
if ip in ("", "0.0.0.0", "::", "localhost", "*"):
    ip = "127.0.0.1"
def of_others(hook):  # as another program of this environment has it
    if not callable(hook):
        return str(hook) if str(hook) in ("idna", "legacy") else None
    module, name = getattr(hook, "__module__", ""), getattr(hook, "__qualname__", "")
    if module == "jupyterhub.utils" and name.startswith("subdomain_hook_"):
        return name.removeprefix("subdomain_hook_")
    ask = "import importlib, sys; getattr(importlib.import_module(sys.argv[1]), sys.argv[2])"
    import subprocess
    found = name.isidentifier() and getattr(sys.modules.get(module), name, None) is hook
    alone = [sys.executable, "-I", "-c", ask, module, name]
    return f"{module}:{name}" if found and not subprocess.call(alone, cwd="/") else None
unknown = [*line.extra_args, *(each for each in (base, ip) if "$" in each)]
if unknown:
    sys.exit("what " + " ".join(unknown) + " on its command line stands for is not known")
def api_of(proxy, key):
    return str(config.get(proxy, {}).get(key, ""))
api = api_of("TraefikProxy", "traefik_api_url") or api_of("ConfigurableHTTPProxy", "api_url")
json.dump({
    "public_port": bind.port or int(setting("port", 8000)),
    "proxy_api_port": urlsplit(api).port or 8001,
    "base_url": base,
    "ip": ip,
    "port": hub_bind.port or int(setting("hub_port", 8081)),
    "spawner": str(spawner),
    "internal_ssl": bool(setting("internal_ssl", False)),
    "subdomain_host": str(setting("subdomain_host", "")),
    "subdomain_hook": of_others(setting("subdomain_hook", "idna")),
}, answer)
"""


class HubSettingsError(SubletHubError):
    """The hub's configuration cannot be read as the hub reads it."""


def read_settings(
    python: PurePosixPath, configuration: PurePosixPath, unit: HubUnit
) -> HubSettings:
    """Return what a hub's configuration file, run as the hub runs it, and its unit's options say.

    Without the file, the options alone; where Sublet's own part of it fails, the rest.
    ``HubSettingsError`` where that fails, or takes longer than a minute.
    """
    try:
        done = subprocess.run(
            [str(python), "-c", _PROGRAM, str(configuration), MARK, TLJH_PART, *unit.options],
            cwd=unit.folder,
            env={"PATH": _PATH, **unit.environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_WITHIN_S,
            check=True,
        )
        fields = json.loads(done.stdout)
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode(errors="replace").strip().splitlines()
        raise HubSettingsError(said[-1] if said else f"exit status {error.returncode}") from error
    except (OSError, subprocess.TimeoutExpired, ValueError) as error:
        raise HubSettingsError(str(error)) from error
    base = f"/{fields['base_url'].strip('/')}/".replace("//", "/")
    host = f"[{fields['ip']}]" if ":" in fields["ip"] else fields["ip"]
    return HubSettings(
        base_url=base,
        api_url=f"http://{host}:{fields['port']}{base}hub/api",
        spawner=fields["spawner"],
        internal_ssl=fields["internal_ssl"],
        public_port=fields["public_port"],
        proxy_api_port=fields["proxy_api_port"],
        subdomain_host=fields["subdomain_host"],
        subdomain_hook=fields["subdomain_hook"],
    )
