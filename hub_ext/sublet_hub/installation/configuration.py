"""The configuration files of hub, service and agent, as text."""

from typing import Final

from sublet_hub.installation.layout import (
    AGENT_SOCKET,
    AGENT_STATE,
    HUB_CONFIGURATION,
    NODE_SECRET,
    QUOTA,
    SERVICE_STATE,
    SERVICE_TOKEN,
    SIMULATED_SOCKET,
)
from sublet_hub.installation.wishes import Choices

MARK: Final = "# sublet install"
INCLUDING_LINE: Final = f'load_subconfig("{HUB_CONFIGURATION}")  {MARK}'
"""The line that is added to a plain hub's configuration."""

_HUB: Final = '''\
"""Sublet on this hub. Made by `sublet install`; a change of yours is kept by later installs."""

from pathlib import Path

from sublet_spawner.hub_configuration import SubletOnHub, configure

c = get_config()  # noqa: F821
c.JupyterHub.spawner_class = {spawner!r}
c.SliceSpawnerMixin.job_python = {job_python!r}
configure(
    c,
    SubletOnHub(
        token_file=Path({token!r}),
        service_listens_at={listens_at!r},
        service_url={service_url!r},
        agent_socket={agent_socket!r},
        simulated_socket={simulated_socket!r},
    ),
)
'''

_SERVICE: Final = '''\
"""Sublet's hub service. Made by `sublet install`; all settings: `sublet-hub --help-all`."""

import os

c = get_config()  # noqa: F821
c.SubletHub.port = {port}
c.SubletHub.base_prefix = {prefix!r}
c.SubletHub.hub_prefix = {hub_prefix!r}
c.SubletHub.hub_api_url = {hub_api_url!r}
c.SubletHub.service_url = {service_url!r}
c.SubletHub.state_folder = {state!r}
c.SubletHub.quota_file = {quota!r}
c.SubletHub.agent_socket = {agent_socket!r}
c.SubletHub.simulated_socket = {simulated_socket!r}
# Passed on by systemd (LoadCredential): the files themselves are root's. The folder has a file a
# node; the token's name begins with a dot, so that it is none.
c.SubletHub.token_file = os.environ["CREDENTIALS_DIRECTORY"] + "/.service-token"
c.SubletHub.node_secrets_folder = os.environ["CREDENTIALS_DIRECTORY"]
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
# an error is refused, and the one before stays in force. All that it can say, and what these mean:
# quota/README.md in Sublet's repository.
pools:
  interactive:
    memory_overcommit: 2
    idle_after: 10m
    give_back_within: 60s
"""


def hub_configuration(choices: Choices) -> str:
    """Return the part of the hub's configuration that concerns Sublet."""
    return _HUB.format(
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
        hub_api_url=choices.hub_api_url,
        service_url=choices.service_url,
        state=str(SERVICE_STATE),
        quota=str(QUOTA),
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
        secret=str(NODE_SECRET),
        state=str(AGENT_STATE),
        agent_socket=str(AGENT_SOCKET),
    )


def _simulated_socket(choices: Choices) -> str:
    return str(SIMULATED_SOCKET) if choices.simulated else ""
