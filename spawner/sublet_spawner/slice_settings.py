"""The settings of a Sublet spawner, as ``c.SliceSpawnerMixin.*`` (or the spawner's own name)."""

import sys
from pathlib import Path

from sublet_quota.wire.environment import CONTEXT_MIB, NO_GPU, SliceEndpoints
from traitlets import Bool, Float, Integer, List, Set, Unicode
from traitlets.config import Configurable

from sublet_spawner.account import DEFAULT_ENVIRONMENT_NAMES
from sublet_spawner.service_client import ServiceAccess, ServiceClient


class SliceSettings(Configurable):
    """The settings of an admin, and the frozen settings made from them."""

    service_url = Unicode(
        "http://127.0.0.1:8000/services/sublet/",
        help="""URL of the Sublet service as notebook servers and jobs reach it, normally through
        the hub's proxy. They find it in SUBLET_SERVICE_URL.""",
    ).tag(config=True)

    service_api_url = Unicode(
        "",
        help="""URL of the Sublet service as the hub reaches it, with its prefix, such as
        http://127.0.0.1:8901/services/sublet/. Empty: the same as service_url.""",
    ).tag(config=True)

    service_token_file = Unicode(
        "/etc/sublet/service-token",
        help="""Path of the file with the service's API token, readable by the hub alone (mode
        0600). It is read on each call, so a new token needs no restart of the hub.""",
    ).tag(config=True)

    service_connect_timeout_s = Float(
        3.0, min=0.1, max=60.0, help="Seconds to wait for a connection to the service (0.1 to 60)."
    ).tag(config=True)

    service_request_timeout_s = Float(
        10.0, min=0.1, max=300.0, help="Seconds to wait for an answer of the service (0.1 to 300)."
    ).tag(config=True)

    service_retry_waits_s = List(
        Float(min=0.0, max=60.0),
        [0.2, 0.5, 1.0, 2.0],
        help="""Seconds to wait before each repetition of a call that failed. Only calls that can
        do no harm twice are repeated. Empty: none is.""",
    ).tag(config=True)

    service_required = Bool(
        True,
        help="""Whether a server may start only when the service can be asked. False: while the
        service is away servers start without a GPU, and say so on the progress page and in the
        hub's log. A refusal of the service is a refusal either way.""",
    ).tag(config=True)

    allow_no_gpu = Bool(
        False,
        help=f"""Whether users may start a server without a GPU. It is offered on the form, and is
        called {NO_GPU!r} in user_options.""",
    ).tag(config=True)

    agent_socket = Unicode(
        "/run/sublet/agent.sock",
        help="""Path of the agent's Unix socket for tenants, as servers and jobs find it on their
        node (SUBLET_AGENT_SOCKET).""",
    ).tag(config=True)

    simulated_socket = Unicode(
        "",
        help="""Path of the simulated GPUs' Unix socket, as servers and jobs find it
        (SUBLET_SIMULATED_SOCKET). Empty where GPUs are real.""",
    ).tag(config=True)

    context_mib = Integer(
        CONTEXT_MIB,
        min=0,
        max=16 * 1024,
        help="""MiB that a CUDA context takes on the GPU. Taken off the cap when the fractions for
        PyTorch and JAX are reckoned, which do not count it.""",
    ).tag(config=True)

    job_python = Unicode(
        sys.executable,
        help="""Path of the Python interpreter for this user's training jobs: one that has the
        user's packages, Jupyter, papermill and Sublet. Default: the hub's own.""",
    ).tag(config=True)

    job_environment_names = List(
        Unicode(),
        list(DEFAULT_ENVIRONMENT_NAMES),
        help="""Names of the environment variables that this user's training jobs get from their
        server's environment. Nothing else is passed on, and never JUPYTERHUB_*, nor what is named
        like a token, secret or password.""",
    ).tag(config=True)

    other_user_options = Set(
        Unicode(),
        set(),
        help="""Keys of user_options that other parts of your configuration read (your own
        options_form, a pre_spawn_hook). Any other key that Sublet does not know is refused.""",
    ).tag(config=True)

    wait_report_interval_s = Float(
        1.0,
        min=0.2,
        max=60.0,
        help="Seconds between two looks at a new slice for the progress page (0.2 to 60).",
    ).tag(config=True)

    def _client(self) -> ServiceClient:
        return ServiceClient(
            ServiceAccess(
                api_url=self.service_api_url or self.service_url,
                token_file=Path(self.service_token_file),
                connect_timeout_s=self.service_connect_timeout_s,
                request_timeout_s=self.service_request_timeout_s,
                waits_s=tuple(self.service_retry_waits_s),
            )
        )

    def _endpoints(self) -> SliceEndpoints:
        return SliceEndpoints(
            agent_socket=self.agent_socket,
            service_url=self.service_url,
            simulated_socket=self.simulated_socket or None,
        )
