"""The agent's own process, which the watchdog starts and starts again."""

import asyncio
import ctypes
import logging
import os
import resource
import signal
from typing import Final

from sublet_agent.app.application import SubletAgent
from sublet_agent.app.node_agent import NodeAgent
from sublet_agent.app.settings import AgentSettings
from sublet_agent.app.watchdog import STOP_WITHIN_S
from sublet_agent.clock import SystemClock
from sublet_agent.devices.interface import Device, DeviceError
from sublet_agent.errors import SubletAgentError
from sublet_agent.fitness.swap import swap_areas, swap_warning
from sublet_agent.processes.core_dumps import leave_no_core_dump
from sublet_agent.processes.process_table import LinuxProcessTable
from sublet_agent.state_files.one_agent import become_the_only_agent

_PR_SET_PDEATHSIG: Final = 1

log = logging.getLogger(__name__)


class ServingAgent(SubletAgent):
    """The application of the agent's own process: serves, with the options of ``SubletAgent``."""

    def start(self) -> None:
        """Serve until SIGTERM."""
        _end_with_parent()
        _open_as_many_files_as_allowed()
        try:
            settings = self.settings()
            become_the_only_agent(settings.state_folder, STOP_WITHIN_S)
            # Before the GPUs are looked for, which may be in vain.
            self.thaw_left_over(self.open_device)
            device = self.open_device()
            settings.served(device.gpus())
        except (SubletAgentError, OSError) as error:
            self.refuse(error)
        except DeviceError as error:
            # The daemon or driver may be on its way up: the watchdog tries again.
            self.log.error("no GPUs: %s", error)  # noqa: TRY400 - the trace says nothing more
            self.exit(1)
            return
        asyncio.run(_serve(settings, device))


def _open_as_many_files_as_allowed() -> None:
    """Raise this process's limit of open files to its bound: tenants have many connections."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    except (ValueError, OSError) as error:
        # The kernel's own bound may be lower by now than what was inherited.
        log.warning("the limit of open files stays as it is: %s", error)


async def _serve(settings: AgentSettings, device: Device) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    node = NodeAgent(settings, device, LinuxProcessTable(), SystemClock())
    await node.start()
    log.info(
        "serving node %s at %s%s",
        settings.node,
        settings.tenant_socket,
        " (SIMULATED GPUs)" if device.simulated else "",
    )
    swaps = swap_warning(swap_areas())
    if swaps and not device.simulated:
        log.warning("%s", swaps)
    if settings.moves.skip_room_check:
        log.warning("UNSAFE: slices are restored without looking for room; notebooks will be lost")
    await stop.wait()
    log.info("stopping")
    await node.stop()


def _end_with_parent() -> None:
    """Ask the kernel for SIGTERM when the watchdog dies: nobody would look after the agent then."""
    parent = os.getppid()
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGTERM)


def main() -> None:
    """Entry point."""
    leave_no_core_dump()
    ServingAgent.launch_instance()


if __name__ == "__main__":
    main()
