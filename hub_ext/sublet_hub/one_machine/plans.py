"""The parts of one machine: how each is started, when it answers, and what its end means.

A part is started after those that it asks at once: the agent needs GPUs and service, and the hub
the proxy. The service needs nobody at its start.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sublet_hub.one_machine.paths import NODE
from sublet_hub.one_machine.processes import Launch, answers, listens, own_environment
from sublet_hub.one_machine.settings import MachineSettings


@dataclass(frozen=True, slots=True)
class Plan:
    """A part as it is meant to be."""

    launch: Launch
    answers: Callable[[], bool]
    """Whether the part does what it is there for."""
    meanwhile: str
    """What holds while the part is away, as sentences for a terminal."""
    needs: tuple[str, ...] = ()
    """The parts that must answer before this one is started again: without, it would give up."""
    vital: bool = False
    """Whether nothing is worth going on once the part is gone for good."""
    can_be_told: bool = False
    """Whether an end with status 0 means that somebody wants everything stopped."""
    before_start: Callable[[], None] = lambda: None
    taken_up: Callable[[], bool] = lambda: True
    """Whether the others know of a part that was started again; asked until it holds."""

    @property
    def name(self) -> str:
        """The part's name."""
        return self.launch.name


def plans_of(settings: MachineSettings) -> dict[str, Plan]:
    """Return the plans of all parts by their names, in the order of their start."""
    plans = [_proxy(settings), _service(settings), _hub(settings), _agent(settings)]
    if settings.simulated:
        plans.insert(1, _simulated_gpus(settings))
    return {plan.name: plan for plan in plans}


def _proxy(settings: MachineSettings) -> Plan:
    places = settings.places
    ports, token = places.ports, _secret(places.proxy_token_file)
    routes = f"http://127.0.0.1:{ports.proxy_api}/api/routes"
    hub_api = f"http://127.0.0.1:{ports.hub}/hub/api/proxy"
    command = [
        "configurable-http-proxy",
        "--ip=127.0.0.1",
        f"--port={ports.public}",
        "--api-ip=127.0.0.1",
        f"--api-port={ports.proxy_api}",
        f"--error-target=http://127.0.0.1:{ports.hub}/hub/error",
    ]
    environment = {**own_environment(Path(sys.prefix)), "CONFIGPROXY_AUTH_TOKEN": token}
    return Plan(
        Launch("proxy", command, environment),
        lambda: answers(routes, token),
        meanwhile="Kernels and jobs run on; until it is back no page is reached.",
        vital=True,
        # A new proxy knows no way; the hub would look after that by itself every five minutes.
        taken_up=lambda: answers(hub_api, _secret(places.admin_token_file), method="POST"),
    )


def _simulated_gpus(settings: MachineSettings) -> Plan:
    places = settings.places
    command = _python(
        "sublet_agent.simulated.daemon",
        f"--socket={places.simulated_socket}",
        f"--gpus={settings.simulated_gpus}",
        f"--cards={settings.cards}",
        f"--memory-gib={settings.gpu_memory_gib}",
        f"--speed={settings.speed}",
    )
    return Plan(
        Launch("simulated-gpus", command, own_environment(Path(sys.prefix))),
        lambda: listens(places.simulated_socket),
        meanwhile="WHAT WAS ON THE SIMULATED GPUS IS GONE, and what was suspended from them."
        " Kernels and jobs that used them get an error at their next call to the GPU: restart"
        " these kernels, and submit these jobs again. All else is as it was.",
        # The cards are new with each start: what failed the last time does not matter to these.
        before_start=lambda: places.closed_gpus.unlink(missing_ok=True),
    )


def _service(settings: MachineSettings) -> Plan:
    places = settings.places
    command = _python(
        "sublet_hub.app.application",
        f"--port={places.ports.service}",
        f"--token-file={places.token_file}",
        f"--state-folder={places.folder / 'service'}",
        f"--quota-file={places.quota_file}",
        f"--quota-source={settings.quota_source}",
        f"--hub-api-url=http://127.0.0.1:{places.ports.hub}/hub/api",
        f"--node-secrets-folder={places.node_secrets}",
        f"--agent-socket={places.agent_socket}",
        f"--service-url={places.service_url}",
        *_simulated_socket(settings),
    )
    return Plan(
        Launch("service", command, own_environment(Path(sys.prefix))),
        lambda: answers(f"{places.service_listens_at}/services/sublet/health"),
        meanwhile="Notebooks and jobs run on; until it is back no server starts, no job is taken"
        " and no share is shown.",
    )


def _hub(settings: MachineSettings) -> Plan:
    places = settings.places
    command = _python("jupyterhub", "-f", str(places.hub_configuration))
    return Plan(
        Launch("hub", command, own_environment(Path(sys.prefix))),
        lambda: answers(f"{places.hub_url}/hub/api/"),
        meanwhile="Notebooks and jobs run on; until it is back nobody logs in and no server"
        " starts.",
        vital=True,
        can_be_told=True,  # by "Shutdown Hub" on its admin page
    )


def _agent(settings: MachineSettings) -> Plan:
    places = settings.places
    command = _python(
        "sublet_agent.app.application",
        f"--node={NODE}",
        f"--service-url={places.service_listens_at}/services/sublet/",
        f"--secret-file={places.node_secrets / NODE}",
        f"--state-folder={places.folder / 'agent'}",
        f"--tenant-socket={places.agent_socket}",
        f"--device={'simulated' if settings.simulated else 'nvidia'}",
        *_simulated_socket(settings),
        *(f"--gpus={gpu_id}" for gpu_id in settings.gpus),
    )
    if settings.unsafe_skip_room_check:
        command.append("--unsafe-skip-room-check")
    return Plan(
        Launch("agent", command, own_environment(Path(sys.prefix))),
        lambda: listens(places.agent_socket),
        meanwhile="Who is on the GPU runs on; until it is back nothing is lent, and suspended"
        " notebooks wait.",
        needs=("simulated-gpus",) if settings.simulated else (),
    )


def _python(module: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", module, *arguments]


def _simulated_socket(settings: MachineSettings) -> list[str]:
    places = settings.places
    return [f"--simulated-socket={places.simulated_socket}"] if settings.simulated else []


def _secret(path: Path) -> str:
    return path.read_text(encoding="ascii").strip()
