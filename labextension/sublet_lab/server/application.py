"""The extension as Jupyter Server loads it.

What the extension does depends on the variables that Sublet's spawner sets: with no agent it
watches no kernel, with no service it has no routes, and with neither it does nothing.
"""

import asyncio
import contextlib
import os
from typing import Any

from jupyter_server.extension.application import ExtensionApp
from traitlets import Unicode, default

from sublet_lab.server.agent_link import AgentLink
from sublet_lab.server.handlers import forwarding_handlers
from sublet_lab.server.kernel_watch import KernelWatch
from sublet_lab.server.own_handlers import (
    inspect_handler,
    kernels_handler,
    literals_handler,
    local_share_handler,
)
from sublet_lab.server.service_client import ServiceClient

PAGE_OPTION = "subletParts"
"""The name in the page's configuration: ``service``, ``agent`` or both; not there where neither is.
"""


class SubletLab(ExtensionApp):
    """Connects a notebook server with its node's agent and the hub service."""

    name = "sublet_lab"
    description = "Sublet in the notebook server"

    agent_socket = Unicode(
        help="Path of the tenant socket of this node's agent."
        " Default: the variable SUBLET_AGENT_SOCKET; empty: report to no agent.",
    ).tag(config=True)
    service_url = Unicode(
        help="Base address of the hub service, such as http://hub:8000/services/sublet/."
        " Default: the variable SUBLET_SERVICE_URL; empty: forward no requests.",
    ).tag(config=True)

    @default("agent_socket")
    def _agent_socket_default(self) -> str:
        in_slice = bool(os.environ.get("SUBLET_SLICE_ID"))
        return os.environ.get("SUBLET_AGENT_SOCKET", "") if in_slice else ""

    @default("service_url")
    def _service_url_default(self) -> str:
        return os.environ.get("SUBLET_SERVICE_URL", "")

    def initialize_settings(self) -> None:
        """Start watching kernels, once the server's loop runs."""
        self._watching: asyncio.Task[None] | None = None
        if self.agent_socket and self.serverapp is not None:
            kernels = self.serverapp.kernel_manager
            self.serverapp.io_loop.add_callback(self._start_watching, kernels)

    def initialize_handlers(self) -> None:
        """Add the routes of what is there, and let pages know, so that none asks for others."""
        there = []
        token = os.environ.get("JUPYTERHUB_API_TOKEN", "")
        if self.service_url and token:
            client = ServiceClient(self.service_url, token)
            self.handlers.extend(forwarding_handlers(client))
            root = "" if self.serverapp is None else str(self.serverapp.root_dir)
            self.handlers.append(inspect_handler(root))
            self.handlers.append(literals_handler())
            there.append("service")
        if self.agent_socket:
            self.handlers.append(local_share_handler(self.agent_socket))
            self.handlers.append(kernels_handler(self.agent_socket))
            there.append("agent")
        if there and self.serverapp is not None:
            page = self.serverapp.web_app.settings.setdefault("page_config_data", {})
            page[PAGE_OPTION] = ",".join(there)

    async def stop_extension(self) -> None:
        """Hang up."""
        if self._watching is not None:
            self._watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watching

    def _start_watching(self, kernels: Any) -> None:
        watch = KernelWatch(kernels, AgentLink(self.agent_socket, self.log), self.log)
        self._watching = asyncio.get_running_loop().create_task(watch.run())
