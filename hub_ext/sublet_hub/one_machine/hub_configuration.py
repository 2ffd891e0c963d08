"""JupyterHub's configuration for one machine, as the text of a file that people can read."""

import os
from pathlib import Path

from sublet_hub.one_machine.paths import Places

NOTEBOOKS = Path(__file__).parent / "notebooks"

_TEXT = '''\
"""Written by Sublet at each start: change the program's options instead."""

import shutil
from pathlib import Path

from sublet_spawner.hub_configuration import ADMIN_SCOPES, SubletOnHub, configure

c = get_config()  # noqa: F821
c.JupyterHub.bind_url = {hub_url!r}
c.JupyterHub.hub_port = {hub_port}
# The proxy is a part of its own: while the hub is away, people go on working.
c.ConfigurableHTTPProxy.should_start = False
c.ConfigurableHTTPProxy.api_url = {proxy_api_url!r}
c.ConfigurableHTTPProxy.auth_token = Path({proxy_token_file!r}).read_text().strip()
c.JupyterHub.db_url = {database_url!r}
# Who waits in line for a large slice may work on another server meanwhile.
c.JupyterHub.allow_named_servers = True
c.JupyterHub.cookie_secret_file = {cookie_secret!r}
c.JupyterHub.authenticator_class = "shared-password"
c.SharedPasswordAuthenticator.user_password = Path({password_file!r}).read_text().strip()
c.SharedPasswordAuthenticator.admin_password = Path({admin_password_file!r}).read_text().strip()
c.Authenticator.allow_all = True
c.Authenticator.admin_users = {{"admin"}}
c.JupyterHub.spawner_class = "sublet-simple"
c.Spawner.cmd = [{python!r}, "-m", "jupyterhub.singleuser"]
c.Spawner.args = {arguments!r}
c.Spawner.default_url = "/lab"
c.Spawner.start_timeout = 300  # a busy machine takes its time to import a server
c.Spawner.http_timeout = 300  # a process is there at once, and answers when it has loaded
c.SimpleLocalProcessSpawner.home_dir_template = {home_template!r}


def put_example_notebooks(spawner):
    """Each user finds the examples in their home folder; what is there already stays."""
    home = Path(spawner.home_dir)
    home.mkdir(parents=True, exist_ok=True)
    for example in Path({notebooks!r}).glob("*.ipynb"):
        if not (home / example.name).exists():
            shutil.copyfile(example, home / example.name)


c.Spawner.pre_spawn_hook = put_example_notebooks
# For `sublet` on the admin's command line: a notebook server's own token never has these rights.
# The program that starts the parts tells the hub of a new proxy by it.
c.JupyterHub.services = [
    {{"name": "command-line", "api_token": Path({admin_token_file!r}).read_text().strip()}}
]
c.JupyterHub.load_roles = [
    {{"name": "command-line", "scopes": [*ADMIN_SCOPES, "proxy"], "services": ["command-line"]}}
]
configure(
    c,
    SubletOnHub(
        token_file=Path({token_file!r}),
        service_listens_at={service_listens_at!r},
        service_url={service_url!r},
        agent_socket={agent_socket!r},
        simulated_socket={simulated_socket!r},
    ),
)
'''


def hub_configuration_text(places: Places, *, python: str, simulated: bool) -> str:
    """Return the text of ``jupyterhub_config.py``."""
    hub = places.folder / "hub"
    return _TEXT.format(
        hub_url=places.hub_url,
        hub_port=places.ports.hub,
        proxy_api_url=f"http://127.0.0.1:{places.ports.proxy_api}",
        proxy_token_file=str(places.proxy_token_file),
        database_url=f"sqlite:///{hub / 'hub.sqlite'}",
        cookie_secret=str(hub / "cookie_secret"),
        password_file=str(places.password_file),
        admin_password_file=str(places.admin_password_file),
        python=python,
        # Jupyter Server refuses to run as root unless it is told to.
        arguments=["--allow-root"] if os.geteuid() == 0 else [],
        home_template=str(places.homes / "{username}"),
        notebooks=str(NOTEBOOKS / ("simulated" if simulated else "nvidia")),
        token_file=str(places.token_file),
        admin_token_file=str(places.admin_token_file),
        service_listens_at=places.service_listens_at,
        service_url=places.service_url,
        agent_socket=str(places.agent_socket),
        simulated_socket=str(places.simulated_socket) if simulated else "",
    )
