"""The configuration files of hub, service and agent, as text."""

from typing import Final

from sublet_hub.installation.facts import HubKind
from sublet_hub.installation.layout import (
    AGENT_SOCKET,
    AGENT_STATE,
    HUB_CONFIGURATION,
    NODE_SECRETS,
    QUOTA,
    SERVICE_STATE,
    SERVICE_TOKEN,
    SIMULATED_SOCKET,
)
from sublet_hub.installation.wishes import Choices

MARK: Final = "# sublet install"
_INCLUDED: Final = f'__import__("pathlib").Path("{HUB_CONFIGURATION}").read_text()'
INCLUDING_LINE: Final = f"exec({_INCLUDED})  {MARK}"
"""The line that is added to a plain hub's configuration. A file that is loaded by
``load_subconfig`` sees nothing of what the admin set, and replaces the services and roles.
"""

_HUB: Final = '''\
"""Sublet on this hub. Made by `sublet install`; a change of yours is kept by later installs."""

from pathlib import Path

{imports}

c = get_config()  # noqa: F821
c.JupyterHub.spawner_class = {spawner!r}
c.SliceSpawnerMixin.job_python = {job_python!r}
{configure}(
    c,
    SubletOnHub(
        token_file=Path({token!r}),
        service_listens_at={listens_at!r},
        service_url={service_url!r},
        agent_socket={agent_socket!r},
        simulated_socket={simulated_socket!r},
    ),{own_file}
)
'''

_IMPORT_PLAIN: Final = "from sublet_spawner.hub_configuration import SubletOnHub, configure"
_IMPORT_TLJH: Final = """\
from sublet_spawner.hub_configuration import SubletOnHub
from sublet_spawner.tljh_configuration import configure_tljh"""

_SERVICE: Final = '''\
"""Sublet's hub service. Made by `sublet install`; all settings: `sublet-hub --help-all`."""

c = get_config()  # noqa: F821
c.SubletHub.port = {port}
c.SubletHub.base_prefix = {prefix!r}
c.SubletHub.hub_prefix = {hub_prefix!r}
c.SubletHub.subdomain_host = {subdomain_host!r}
{subdomain_hook}c.SubletHub.hub_api_url = {hub_api_url!r}
c.SubletHub.service_url = {service_url!r}
c.SubletHub.state_folder = {state!r}
c.SubletHub.quota_file = {quota!r}
c.SubletHub.agent_socket = {agent_socket!r}
c.SubletHub.simulated_socket = {simulated_socket!r}
c.SubletHub.token_file = {token!r}
c.SubletHub.node_secrets_folder = {nodes!r}
'''

_AGENT: Final = '''\
"""This machine's agent. Made by `sublet install`; all settings: `sublet-agent --help-all`."""

c = get_config()  # noqa: F821
c.SubletAgent.node = {node!r}
c.SubletAgent.device = {device!r}
c.SubletAgent.simulated_socket = {simulated_socket!r}
c.SubletAgent.service_url = {service_url!r}
c.SubletAgent.secret_file = {secret!r}
c.SubletAgent.state_folder = {state!r}
c.SubletAgent.tenant_socket = {agent_socket!r}
'''

QUOTA_DOCUMENT: Final = """\
# The quota document: who may have what. Changes are taken up while the hub runs; a document with
# an error is refused, and the one before stays in force (`journalctl -u sublet-hub` says why). All
# that it can say, with what each means, is printed as a JSON Schema by the Python of Sublet's
# service (see `systemctl cat sublet-hub`): PYTHON -m sublet_quota.document.json_schema
pools:
  - name: interactive
    memory_overcommit: 2      # slices may add up to twice a card's memory: not all compute at once
    idle_after: 10m           # how long an owner does nothing before others may get the room
    give_back_within: 60s     # how soon a slice is to be back when its owner returns
# For limits and guarantees, remove the "#" before these lines. What a group leaves unused of its
# guarantee, others borrow.
#everyone:
#  limit: {memory: 20GiB, slices: 2}  # of all that one user holds
#  jobs: {limit: {cards: 1}}          # of all their running jobs; unsaid, the above
#gpu_types:
#  GPU: {match: "*"}                  # guarantees and limits are in cards of a type
#groups:
#  teachers:                          # the members of JupyterHub's group of that name
#    each: {limit: {memory: 40GiB}}   # what each of them may hold
#    guaranteed: {GPU: 0.5}           # what all together can always have
#    limit: {GPU: 1}                  # guaranteed and borrowed
"""


def hub_configuration(choices: Choices) -> str:
    """Return the part of the hub's configuration that concerns Sublet."""
    on_tljh = choices.hub.kind is HubKind.TLJH
    return _HUB.format(
        imports=_IMPORT_TLJH if on_tljh else _IMPORT_PLAIN,
        configure="configure_tljh" if on_tljh else "configure",
        own_file="\n    Path(__file__)," if on_tljh else "",
        spawner=choices.spawner,
        job_python=str(choices.hub.users.python),
        token=str(SERVICE_TOKEN),
        listens_at=choices.service_listens_at,
        service_url=choices.service_url,
        agent_socket=str(AGENT_SOCKET),
        simulated_socket=_simulated_socket(choices),
    )


def service_configuration(choices: Choices) -> str:
    """Return the hub service's configuration."""
    return _SERVICE.format(
        port=choices.port,
        prefix=choices.prefix,
        hub_prefix=choices.hub_prefix,
        subdomain_host=choices.subdomain_host,
        subdomain_hook=_subdomain_hook(choices.subdomain_hook),
        hub_api_url=choices.hub_api_url,
        service_url=choices.service_url,
        state=str(SERVICE_STATE),
        quota=str(QUOTA),
        token=str(SERVICE_TOKEN),
        nodes=str(NODE_SECRETS),
        agent_socket=str(AGENT_SOCKET),
        simulated_socket=_simulated_socket(choices),
    )


def agent_configuration(choices: Choices) -> str:
    """Return the agent's configuration."""
    return _AGENT.format(
        node=choices.node,
        device="simulated" if choices.simulated else "nvidia",
        simulated_socket=_simulated_socket(choices),
        service_url=choices.service_url,
        secret=str(NODE_SECRETS / choices.node),
        state=str(AGENT_STATE),
        agent_socket=str(AGENT_SOCKET),
    )


def _subdomain_hook(hook: str) -> str:
    """Return the line by which the service names origins as the hub does; none where all do."""
    if hook == "idna":
        return ""
    module, is_function, name = hook.partition(":")
    imported = f'__import__("importlib").import_module({module!r}).{name}'
    value = imported if is_function else repr(hook)
    return f"c.SubletHub.subdomain_hook = {value}\n"


def _simulated_socket(choices: Choices) -> str:
    return str(SIMULATED_SOCKET) if choices.simulated else ""
