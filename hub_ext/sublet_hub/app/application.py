"""``sublet-hub``: the hub service as a program, configured with traitlets."""

import asyncio
import contextlib
import importlib.metadata
import logging
import os
import signal
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from sublet_quota.log_lines.redaction import redact
from sublet_quota.names import scopes
from sublet_quota.wire.quota import KeptIn
from tornado.httpserver import HTTPServer
from traitlets import Enum, Float, Instance, Integer, List, Unicode, default, validate
from traitlets.config import Application

from sublet_hub.app.adapters import Adapters
from sublet_hub.app.agents_port import AgentsPortOptions
from sublet_hub.app.assembly import Assembly
from sublet_hub.app.carbon_options import CarbonOptions
from sublet_hub.app.delivery_options import DeliveryOptions
from sublet_hub.app.kubernetes_options import KubeOptions
from sublet_hub.app.part_options import PartOptions
from sublet_hub.app.subdomain_options import SubdomainOptions
from sublet_hub.errors import ConfigurationError, QuotaFileError
from sublet_hub.host.capabilities import keep_from_children
from sublet_hub.host.clock import utc_now
from sublet_hub.host.file_limit import allow_files
from sublet_hub.host.long_lived import spare_long_lived
from sublet_hub.host.private_files import keep_secret, make_private_folder, read_secret
from sublet_hub.ledger.database import Database
from sublet_hub.security.client_address import networks_of
from sublet_hub.security.log_redaction import redact_logs
from sublet_hub.security.service_auth import make_service_auth
from sublet_hub.settings import JobSettings, OwnerLimits, ServiceSettings, VolumeBudget
from sublet_hub.slices.jupyterhub_client import HubClient
from sublet_hub.web.connections import most_connections
from sublet_hub.web.console.bundle import NOT_BUILT, read_bundle
from sublet_hub.web.server import WebSettings, make_server

if TYPE_CHECKING:
    from sublet_hub.kubernetes_api.client import KubeApi

_MIB = 2**20


class SubletHub(
    KubeOptions,
    AgentsPortOptions,
    CarbonOptions,
    DeliveryOptions,
    PartOptions,
    SubdomainOptions,
    Application,
):
    """Keeps the ledger of slices, decides who may have one, queues and runs training jobs."""

    name = "sublet-hub"
    version = importlib.metadata.version("sublet")
    description = "Sublet's hub service: an external JupyterHub service named 'sublet'."

    config_file = Unicode("", help="A file of Python or JSON with configuration.").tag(config=True)
    ip = Unicode("127.0.0.1", help="The address to listen at.").tag(config=True)
    port = Integer(8901, min=0, max=65535, help="The port to listen at; 0 takes a free one.").tag(
        config=True
    )
    base_prefix = Unicode(
        f"/services/{scopes.SERVICE_NAME}/",
        help="The path below which the hub's proxy shows this service, with a slash at both ends.",
    ).tag(config=True)
    hub_api_url = Unicode(
        "http://127.0.0.1:8081/hub/api", help="Where this service reaches JupyterHub's API."
    ).tag(config=True)
    hub_prefix = Unicode(
        "/hub/", help="The path of the hub's own pages, where browsers log in."
    ).tag(config=True)
    proxies_before_hub = List(
        Unicode(),
        help="Networks, such as '10.42.0.0/16', of further proxies in front of JupyterHub's: those "
        "that end TLS, or an ingress. Else all users seem to come from these, and tokens that are "
        "not known yet wait in one line. What runs in such a network can make up where it comes "
        "from.",
    ).tag(config=True)
    token_file = Unicode(
        "", help="A file (mode 0600) with this service's JupyterHub API token."
    ).tag(config=True)
    metrics_token_file = Unicode(
        "",
        help="A file (mode 0600) with a token that may read /metrics. Without it: admins, and "
        "requests that come directly from this machine.",
    ).tag(config=True)
    state_folder = Unicode(
        "sublet-hub-state",
        help="A folder for this service's own files: the ledger (by default), jobs' logs, "
        "owners' account templates. It is made with mode 0700.",
    ).tag(config=True)
    database_url = Unicode(
        help="SQLAlchemy's URL of the ledger's database. By default SQLite in the state folder; "
        "for PostgreSQL such as 'postgresql+psycopg://sublet@db/sublet'."
    ).tag(config=True)
    quota_file = Unicode(
        "", help="The quota document (YAML). Without it, the defaults of an empty document."
    ).tag(config=True)
    quota_source = Enum(
        [each.value for each in KeptIn],
        default_value=KeptIn.FILE.value,
        help="Where the quota document is kept: 'file' (quota_file, read again when it changes, "
        "for those who keep it in a repository) or 'database' (with its revisions: `sublet quota "
        "apply`, `history` and `rollback`; the first one is what quota_file says when there is "
        "none yet, and that file is not read again).",
    ).tag(config=True)
    node_secrets_folder = Unicode(
        help="A folder with one file (mode 0600) per node, named as the node, holding the secret "
        "by which its agent identifies itself. By default 'nodes' in the state folder."
    ).tag(config=True)
    agent_socket = Unicode(
        "/run/sublet/agent.sock", help="The tenants' socket of this machine's agent, for jobs."
    ).tag(config=True)
    simulated_socket = Unicode(
        "", help="The socket of the simulated GPUs' daemon, for jobs; empty for real GPUs."
    ).tag(config=True)
    service_url = Unicode(
        help="Where users' processes reach this service: through the hub's proxy. By default "
        "directly, at ip and port."
    ).tag(config=True)
    hub_check_s = Float(
        10.0, min=1, help="How often slices are compared with the hub's servers, in seconds."
    ).tag(config=True)
    missing_s = Float(
        15.0,
        min=0,
        help="A slice whose server the hub does not know is released when it is this old and was "
        "missing twice, in seconds.",
    ).tag(config=True)
    start_within_s = Float(
        600.0,
        min=1,
        help="A slice whose server did not start in this time is released, in seconds.",
    ).tag(config=True)
    job_grace_s = Float(
        20.0,
        min=0,
        help="A job that must end is told so by SIGTERM, and killed after so many seconds.",
    ).tag(config=True)
    job_attempts = Integer(
        3, min=1, help="How often a job that was lost through no fault of its own is started."
    ).tag(config=True)
    job_log_mib = Integer(
        64, min=1, max=2**20, help="A job whose log grows beyond this is ended, in MiB."
    ).tag(config=True)
    owner_logs_mib = Integer(
        256,
        min=1,
        max=2**20,
        help="What the logs of one user's ended jobs may take together, in MiB: the oldest are "
        "deleted first.",
    ).tag(config=True)
    logs_mib = Integer(
        2048,
        min=1,
        max=2**20,
        help="What the logs of all jobs may take together, in MiB. Where they take more, those of "
        "the owners who have the most go: their ended jobs' oldest first; where that is not "
        "enough, their running jobs' logs are not written on. A quarter beyond it nobody's are.",
    ).tag(config=True)
    keep_free_mib = Integer(
        512,
        min=0,
        max=2**20,
        help="How much of the disk with the state folder is left for the ledger, in MiB: with less "
        "free, logs are not written and new jobs are refused.",
    ).tag(config=True)
    events_kept = Integer(
        500_000,
        min=1000,
        max=100_000_000,
        help="How many events are remembered, for retention_days at most; each takes up to 1 KiB. "
        "Of too many the oldest of that node or owner go that has the most; what concerns "
        "everybody stays.",
    ).tag(config=True)
    retention_days = Float(
        90.0, min=0.1, help="How long events, ended jobs and released slices are remembered."
    ).tag(config=True)
    history_days = Float(
        60.0,
        min=0.0,
        max=3660.0,
        help="How long it is kept when notebooks asked, ran cells and waited, and which cards "
        "there were, for `sublet history export`, and no longer than retention_days. Of cells only "
        "times are kept. 0: nothing of that is recorded.",
    ).tag(config=True)

    aliases: ClassVar[dict[str, str]] = {  # type: ignore[misc] # traitlets types it otherwise
        "config": "SubletHub.config_file",
        "ip": "SubletHub.ip",
        "port": "SubletHub.port",
        "base-prefix": "SubletHub.base_prefix",
        "hub-api-url": "SubletHub.hub_api_url",
        "token-file": "SubletHub.token_file",
        "state-folder": "SubletHub.state_folder",
        "database-url": "SubletHub.database_url",
        "quota-file": "SubletHub.quota_file",
        "quota-source": "SubletHub.quota_source",
        "node-secrets-folder": "SubletHub.node_secrets_folder",
        "agent-socket": "SubletHub.agent_socket",
        "simulated-socket": "SubletHub.simulated_socket",
        "service-url": "SubletHub.service_url",
        "log-level": "SubletHub.log_level",
    }

    _known_secrets = Instance(set, (), help="What is blotted out of all that is told.")

    @default("database_url")
    def _default_database_url(self) -> str:
        return f"sqlite:///{Path(self.state_folder).absolute() / 'ledger.sqlite'}"

    @default("node_secrets_folder")
    def _default_node_secrets_folder(self) -> str:
        return str(Path(self.state_folder) / "nodes")

    @default("service_url")
    def _default_service_url(self) -> str:
        return f"http://{self.ip}:{self.port}{self.base_prefix}"

    @validate("base_prefix")
    def _slashes(self, proposal: Any) -> str:
        inner = str(proposal["value"]).strip("/")
        return f"/{inner}/" if inner else "/"

    def initialize(self, argv: list[str] | None = None) -> None:
        """Read the command line and the configuration file, and set logging up."""
        super().initialize(argv)
        if self.config_file:
            self.load_config_file(self.config_file)
        level: Any = self.log_level
        logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
        self._known_secrets = redact_logs(logging.getLogger(self.log.name))

    def start(self) -> None:
        """Run until SIGTERM or SIGINT."""
        os.umask(0o077)
        try:
            keep_from_children()
            asyncio.run(self._run())
        except (ConfigurationError, QuotaFileError) as error:
            self.exit_because(str(error))

    def exit_because(self, message: str) -> None:
        """End with a message and exit status 1."""
        told = redact(message, self._known_secrets)
        sys.stderr.write(f"sublet-hub cannot start: {told}\n")
        sys.exit(1)

    async def _run(self) -> None:
        stopped = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopped.set)
        kube = await self.connect_to_kubernetes()
        if kube is not None:
            # There are many agents, and jobs are started elsewhere: nobody inherits it.
            allow_files()
        try:
            async with self.as_the_writer(kube, stopped) as begins:
                if begins:
                    await self._serve(*self._listen(kube), stopped)
        finally:
            if kube is not None:
                await kube.close()

    async def _serve(self, assembly: Assembly, server: HTTPServer, stopped: asyncio.Event) -> None:
        servers, loops = [server], []
        try:
            self.log.info("listening at http://%s:%d%s", self.ip, self.port, self.base_prefix)
            for_agents = self.listen_to_agents(assembly.connections, self.base_prefix, self.ip)
            if for_agents is not None:
                servers.append(for_agents[0])
                loops.append(for_agents[1])
                self.log.info("agents connect by https, at port %d", self.agents_port)
            spare_long_lived()
            assembly.start(loops)
            await stopped.wait()
        finally:
            for each in servers:
                each.stop()
            await assembly.stop()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(2):
                    for each in servers:
                        await each.close_all_connections()

    def _listen(self, kube: "KubeApi | None") -> tuple[Assembly, HTTPServer]:
        if not self.token_file:
            message = "no token: set token_file to a file with the service's API token"
            raise ConfigurationError(message)
        token = read_secret(Path(self.token_file))
        self._known_secrets.add(token)
        metrics_token = None
        if self.metrics_token_file:
            metrics_token = read_secret(Path(self.metrics_token_file))
            self._known_secrets.add(metrics_token)
        make_private_folder(Path(self.state_folder))
        agents = self.agents_of(kube, Path(self.node_secrets_folder), utc_now)
        database = Database(self.database_url)
        database.migrate()
        console = read_bundle()
        if console is None:
            self.log.warning(NOT_BUILT)
        settings = self._settings()
        runs = self.runs_of(kube, settings)
        adapters = Adapters(
            database,
            HubClient(self.hub_api_url, token),
            agents,
            utc_now,
            runs,
            self.nodes_of(kube),
        )
        assembly = Assembly(settings, adapters)
        server = make_server(
            assembly.service,
            make_service_auth(
                self.hub_api_url,
                token,
                self.base_prefix,
                self.hub_prefix,
                self.subdomains(),
            ),
            assembly.connections,
            WebSettings(
                prefix=self.base_prefix,
                version=self.version,
                metrics_token=metrics_token,
                cookie_secret=keep_secret(Path(self.state_folder) / "cookie-secret"),
                proxies_before_hub=networks_of(self.proxies_before_hub),
                most_connections=most_connections(self.ports),
                hub_prefix=self.hub_prefix,
                subdomain_host=self.subdomain_host,
                console=console,
            ),
        )
        try:
            server.listen(self.port, self.ip)
        except OSError as error:
            message = f"cannot listen at {self.ip}:{self.port}: {error}"
            raise ConfigurationError(message) from error
        return assembly, server

    def _settings(self) -> ServiceSettings:
        return ServiceSettings(
            state_folder=Path(self.state_folder).absolute(),
            quota_file=Path(self.quota_file) if self.quota_file else None,
            jobs=JobSettings(
                agent_socket=self.agent_socket,
                simulated_socket=self.simulated_socket or None,
                service_url=self.service_url,
                grace=timedelta(seconds=self.job_grace_s),
                most_attempts=self.job_attempts,
            ),
            quota_source=KeptIn(self.quota_source),
            most_of_part=self.part_bounds(),
            limits=OwnerLimits(
                log_bytes=self.job_log_mib * _MIB, owner_logs_bytes=self.owner_logs_mib * _MIB
            ),
            volume=VolumeBudget(
                logs_bytes=self.logs_mib * _MIB,
                keep_free_bytes=self.keep_free_mib * _MIB,
                events_kept=self.events_kept,
            ),
            retention=timedelta(days=self.retention_days),
            recorded_for=timedelta(days=min(self.history_days, self.retention_days)),
            carbon=self.carbon_settings(),
            delivery=self.delivery_settings(self._known_secrets),
            hub_check_period=timedelta(seconds=self.hub_check_s),
            missing_for=timedelta(seconds=self.missing_s),
            start_within=timedelta(seconds=self.start_within_s),
        )


main = SubletHub.launch_instance


if __name__ == "__main__":
    main()
