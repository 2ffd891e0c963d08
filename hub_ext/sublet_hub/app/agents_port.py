"""The options of the port where agents connect by https, and the server that they ask for."""

from pathlib import Path
from typing import Final

from tornado.httpserver import HTTPServer
from traitlets import HasTraits, Integer, Unicode

from sublet_hub.agents.connection_registry import AgentConnections
from sublet_hub.app.loops import Loop
from sublet_hub.errors import ConfigurationError
from sublet_hub.security.certificate import Certificate
from sublet_hub.web.connections import most_connections
from sublet_hub.web.server import make_agents_server

_LOOK_EACH_S: Final = 60.0


class AgentsPortOptions(HasTraits):
    """A port for agents alone. Without it they connect where everybody does."""

    agents_port = Integer(
        0,
        min=0,
        max=65535,
        help="A port for agents alone, by https, at the same address; needs certificate_file and "
        "key_file. 0: none; agents then use the service's own port, or the hub's proxy.",
    ).tag(config=True)
    certificate_file = Unicode(
        "",
        help="The certificate for agents_port (PEM, with those between it and its authority). It "
        "is read again when it changes.",
    ).tag(config=True)
    key_file = Unicode("", help="The certificate's private key (PEM, no password).").tag(
        config=True
    )

    @property
    def ports(self) -> int:
        """How many ports there are, that for everybody included."""
        return 2 if self.agents_port else 1

    def listen_to_agents(
        self, connections: AgentConnections, prefix: str, ip: str
    ) -> tuple[HTTPServer, Loop] | None:
        """Return a server that listens, and the loop that renews its certificate.

        ``None`` where there is no such port. Raises ``ConfigurationError``.
        """
        if not self.agents_port:
            return None
        if not (self.certificate_file and self.key_file):
            message = "agents_port is set: set certificate_file and key_file too"
            raise ConfigurationError(message)
        certificate = Certificate(Path(self.certificate_file), Path(self.key_file))
        most = most_connections(self.ports)
        server = make_agents_server(connections, prefix, certificate.context, most)
        try:
            server.listen(self.agents_port, ip)
        except OSError as error:
            message = f"cannot listen to agents at {ip}:{self.agents_port}: {error}"
            raise ConfigurationError(message) from error
        return server, Loop("certificate", _LOOK_EACH_S, certificate.renew)
