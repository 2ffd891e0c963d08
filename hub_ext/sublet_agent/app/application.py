"""``sublet-agent``: the command line of a node's agent, and its watchdog.

The command starts a small parent process that keeps the agent itself running
(``sublet_agent.app.serving``) and looks after the owners' processes when it dies.
"""

import contextlib
import functools
import logging
import os
import socket
import sys
import tempfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, NoReturn

from traitlets import Bool, Enum, Float, Int, List, TraitError, Unicode, default, validate
from traitlets.config import Application

from sublet_agent.app.node_agent import JOURNAL_NAME, VERSION
from sublet_agent.app.settings import AgentSettings
from sublet_agent.app.watchdog import SETTINGS_EXIT, Watchdog, agent_command, let_owners_run
from sublet_agent.cgroups.driver_calls import NVIDIAS, SIMULATED
from sublet_agent.cgroups.node_groups import GROUPS_NAME, GroupSettings
from sublet_agent.cgroups.standing_still import StandingStill
from sublet_agent.cgroups.trees import tree_below
from sublet_agent.device_plugin.options import DevicePluginOptions
from sublet_agent.devices.detection import DevicePlaces, find_device
from sublet_agent.devices.interface import Device, DeviceError
from sublet_agent.driver_helper.client import DriverHelper
from sublet_agent.errors import SettingsError, SubletAgentError
from sublet_agent.fitness.node_check import check_node
from sublet_agent.fitness.trial import TrialLimits
from sublet_agent.hub_link.options import LinkOptions
from sublet_agent.log_cleaning import clean_logs
from sublet_agent.moves.plan import MoveSettings
from sublet_agent.moves.thawing import thaw_after_moves
from sublet_agent.processes.core_dumps import leave_no_core_dump
from sublet_agent.processes.process_table import LinuxProcessTable
from sublet_agent.residency.activity import ActivitySettings
from sublet_agent.residency.compute_shares import TurnSettings
from sublet_agent.state_files.journal import read_journal
from sublet_agent.state_files.one_agent import is_the_only_agent

DRIVER_HELPER_NAME: Final = "driver-helper"


class SubletAgent(LinkOptions, DevicePluginOptions, Application):
    """The agent of one node: lends idle slices of its GPUs, and gives them back alive."""

    name = "sublet-agent"
    version = VERSION
    description = (
        "The agent of one node with GPUs. It knows which process belongs to which slice, sees "
        "who is at work, pauses jobs and moves memory between GPU and host, and tells the hub "
        "service. Run it as root (it acts on every user's processes), or as the account that "
        "all notebook servers of this machine run under."
    )
    examples = """
    sublet-agent --service-url http://127.0.0.1:8000/services/sublet/ \\
        --secret-file /etc/sublet/node-secret --node gpu-1
    sublet-agent --device simulated --simulated-socket /run/sublet/gpus.sock ...
    """
    aliases = {
        "node": "SubletAgent.node",
        "state-folder": "SubletAgent.state_folder",
        "tenant-socket": "SubletAgent.tenant_socket",
        "service-url": "SubletAgent.service_url",
        "secret-file": "SubletAgent.secret_file",
        "device": "SubletAgent.device",
        "simulated-socket": "SubletAgent.simulated_socket",
        "gpus": "SubletAgent.gpus",
        "margin-mib": "SubletAgent.margin_mib",
        "host-memory-mib": "SubletAgent.host_memory_mib",
        "config": "SubletAgent.config_file",
        "log-level": "Application.log_level",
    }
    flags = {
        "check": (
            {"SubletAgent": {"check": True}},
            "Say whether this machine's GPUs are fit to be lent, and exit: 0 if all are, else 1.",
        ),
        "unsafe-skip-room-check": (
            {"SubletAgent": {"unsafe_skip_room_check": True}},
            "Restore without looking for room. It LOSES notebooks; simulated GPUs only.",
        ),
    }

    check = Bool(False, help="Say whether the GPUs are fit to be lent, and exit.").tag(config=True)
    config_file = Unicode("", help="A configuration file (Python or JSON).").tag(config=True)
    node = Unicode(
        help="This machine's name for the hub service. The node's secret belongs to this name."
    ).tag(config=True)
    state_folder = Unicode(
        "/var/lib/sublet-agent",
        help="Folder for the journal, events and the last assignments; made with mode 0700. "
        "Keep it over restarts of the agent.",
    ).tag(config=True)
    tenant_socket = Unicode(
        "/run/sublet/agent.sock",
        help="Path of the Unix socket at which notebook servers and kernels speak to the agent.",
    ).tag(config=True)
    device = Enum(
        ("auto", "nvidia", "simulated"),
        "auto",
        help="Which GPUs: NVIDIA's, simulated ones, or (auto) NVIDIA's where there are some.",
    ).tag(config=True)
    simulated_socket = Unicode(
        "", help="Socket of the daemon of simulated GPUs (sublet-simulated-gpus)."
    ).tag(config=True)
    driver_helper_folder = Unicode(
        "",
        help="Folder where the helper that calls NVIDIA's driver listens and keeps its files, "
        "where somebody else runs it, as in a container of its own (`python -m "
        "sublet_agent.driver_helper --keep --folder ...`). Empty: the agent runs one.",
    ).tag(config=True)
    gpus = List(
        Unicode(),
        help="The cards to serve, by their UUIDs (as `nvidia-smi -L` lists them) or their numbers. "
        "Empty: all. The others are left alone, and their processes are nobody's.",
    ).tag(config=True)
    margin_mib = Int(
        1024,
        min=0,
        help="GPU memory in MiB that is never given away: room for at least one new CUDA context.",
    ).tag(config=True)
    host_memory_mib = Int(
        0,
        min=0,
        help="Host memory in MiB that images of suspended slices may take in all. 0: what the "
        "machine has (simulated GPUs: no limit that matters).",
    ).tag(config=True)
    tick_s = Float(
        0.15, min=0.01, help="How often the GPUs and their processes are measured, in seconds."
    ).tag(config=True)
    compute_turns = Bool(
        None,
        allow_none=True,
        help="Whether slices that all fill a GPU compute in turns where one gets less than its "
        "share: the others are paused for some ms meanwhile. Else the driver slices its time. "
        "Without a word: on simulated GPUs alone, as no real one has been tried yet.",
    ).tag(config=True)
    compute_period_ms = Int(
        100,
        min=40,
        max=200,
        help="In each period of so many ms everybody who runs a cell on a GPU has a turn of "
        "computing, where turns are taken. A longer one has fewer switches, of 1 to 2 ms each; no "
        "turn is shorter than 5 ms.",
    ).tag(config=True)
    pause_timeout_ms = Int(
        2000,
        min=1,
        help="How long a process may take to come to rest, in ms. A move is put off when one "
        "takes longer.",
    ).tag(config=True)
    wake_cpu_share = Float(
        0.25, min=0.01, help="A process that uses this share of one CPU counts as at work."
    ).tag(config=True)
    unused_budget_s = Float(
        1200.0,
        min=0.0,
        help="How long, in seconds, a slice may count as active by cells and wakes without any "
        "measured use of its GPU. Idle time refills it; use of the GPU does at once.",
    ).tag(config=True)
    busy_wakes_after_s = Float(
        120.0,
        min=0.0,
        help="How long, in seconds, a suspended slice stays away while one of its cells still "
        "runs. That cell may wait inside a GPU call, which nothing shows, so then it is woken. A "
        "program that is no kernel may wait so too: its slice comes back for a moment after this "
        "time, and after twice as long each time that was in vain.",
    ).tag(config=True)
    evict_grace_s = Float(
        10.0, min=0.0, help="How long, in seconds, a job has between SIGTERM and SIGKILL."
    ).tag(config=True)
    freeze = Bool(
        True,
        help="Freeze the other slices on a GPU (by control groups: needs root) while a slice comes "
        "back, so that nobody can take its room. Without, whoever begins to use the GPU then is "
        "paused when the card lists it, which may be too late: the slice's memory would be lost.",
    ).tag(config=True)
    freeze_timeout_ms = Int(
        1000,
        min=1,
        help="How long, in ms, the other slices on a GPU may take to come to rest. A slice comes "
        "back later when they take longer.",
    ).tag(config=True)
    cgroup_folder = Unicode(
        "",
        help="Where the machine's /sys/fs/cgroup is mounted, for an agent in a container. Empty: "
        "where the kernel says.",
    ).tag(config=True)
    kubelet_cgroup_root = Unicode(
        "/",
        help="On Kubernetes: the control group below which the kubelet makes those of pods, where "
        "it was given one (cgroupRoot in its configuration). Pods elsewhere are nobody's.",
    ).tag(config=True)
    canary = Bool(
        True,
        help="Before anything is lent on a card, move a small process of the agent's own out and "
        "back there, and compare its memory; until that has worked nothing is suspended or resumed "
        "on the card. Without, the first notebook is the trial.",
    ).tag(config=True)
    canary_within_s = Float(
        10.0,
        min=0.1,
        help="How long, in seconds, that process may take out and back. Others on the card may "
        "stand still for as long.",
    ).tag(config=True)
    unsafe_skip_room_check = Bool(
        False,
        help="Restore slices without looking whether there is room. This loses notebooks: it is "
        "there to show that the check matters, and refused on anything but simulated GPUs.",
    ).tag(config=True)

    @validate("kubelet_cgroup_root")
    def _check_root(self, proposal: dict[str, str]) -> str:
        root = proposal["value"]
        if not root.startswith("/") or ".." in root.split("/"):
            message = f"kubelet_cgroup_root is {root!r}: give a path from the root, such as /pods"
            raise TraitError(message)
        return root

    @default("log_level")
    def _tell_what_happens(self) -> int:
        return logging.INFO

    def initialize(self, argv: Any = None) -> None:
        """Read the command line and the configuration file."""
        super().initialize(argv)
        if self.config_file:
            self.load_config_file(self.config_file)
            self.parse_command_line(argv)
        level = self.log_level if isinstance(self.log_level, int | str) else logging.INFO
        logging.basicConfig(
            level=level,
            format="%(asctime)s %(levelname)-7s %(name)s: %(message)s",
            stream=sys.stderr,
        )
        clean_logs(logging.getLogger(self.log.name))

    def start(self) -> None:
        """Keep the agent running until told to stop; or say whether it could do its work."""
        if self.check:
            self._check()
        try:
            settings = self.settings()
            # Opened now, and not when the agent has died: then there may be nothing left for it.
            device = self.open_device()
            settings.served(device.gpus())
        except (SubletAgentError, DeviceError, OSError) as error:
            self._thaw_if_alone()
            self.refuse(error)
        after_death = functools.partial(self._after_death, device)
        status = Watchdog(agent_command(sys.argv[1:]), after_death).run()
        self._driver_helper.stop()
        sys.exit(status)

    def settings(self) -> AgentSettings:
        """Return the settings, and make the state folder; ``SettingsError`` where they are bad."""
        folder = Path(self.state_folder)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            message = f"the state folder {folder} cannot be written by this account"
            raise SettingsError(message)
        return AgentSettings(
            node=self.node or socket.gethostname(),
            state_folder=folder,
            tenant_socket=Path(self.tenant_socket),
            link=self.link_settings(),
            moves=MoveSettings(
                margin_mib=self.margin_mib,
                pause_timeout_ms=self.pause_timeout_ms,
                freeze_within_s=self.freeze_timeout_ms / 1000,
                skip_room_check=self.unsafe_skip_room_check,
            ),
            groups=GroupSettings(
                freeze=self.freeze,
                mounted_at=Path(self.cgroup_folder) if self.cgroup_folder else None,
                pods_below=self.kubelet_cgroup_root,
                driver_calls=(*NVIDIAS, *(SIMULATED if self.simulated_socket else ())),
            ),
            activity=ActivitySettings.of_seconds(
                self.wake_cpu_share, self.unused_budget_s, self.busy_wakes_after_s
            ),
            gpus=tuple(self.gpus),
            sample_period_s=self.tick_s,
            compute_turns=TurnSettings(
                self.compute_turns, timedelta(milliseconds=self.compute_period_ms)
            ),
            host_memory_mib=self.host_memory_mib or None,
            evict_grace_s=self.evict_grace_s,
            device_plugin=self.device_plugin_settings(),
            canary=self._trial_limits() if self.canary else None,
        )

    def open_device(self, helper: DriverHelper | None = None) -> Device:
        """Return the node's GPUs; the driver is called by ``helper``, else by the agent's own."""
        places = DevicePlaces(
            self.simulated_socket or None,
            helper or self._driver_helper,
            StandingStill(tree_below(Path(self.cgroup_folder)) if self.cgroup_folder else None),
        )
        device = find_device(self.device, places)
        if self.unsafe_skip_room_check and not device.simulated:
            message = (
                "unsafe_skip_room_check loses notebooks, and these are real GPUs: switch it off"
            )
            raise SettingsError(message)
        return device

    def refuse(self, error: Exception) -> NoReturn:
        """Say what is wrong with the set-up, and exit so that nobody tries again."""
        self.log.error("%s", error)
        sys.exit(SETTINGS_EXIT)

    def _trial_limits(self) -> TrialLimits:
        return TrialLimits(move_s=self.canary_within_s)

    def _check(self) -> NoReturn:
        # An agent may run here already: what it lets the driver do is not looked into.
        with tempfile.TemporaryDirectory(prefix="sublet-check-") as folder:
            helper = DriverHelper(Path(folder))
            try:
                device = self.open_device(helper)
                checked = check_node(device, self._trial_limits() if self.canary else None)
            except (SubletAgentError, DeviceError, OSError) as error:
                sys.exit(f"not fit to be lent: {error}")
            finally:
                helper.stop()
        print(checked.text)  # noqa: T201 - it is what was asked for
        sys.exit(0 if checked.fit else 1)

    def thaw_left_over(self, open_device: Callable[[], Device]) -> None:
        """Thaw what an agent that is dead left frozen, also where no GPU is to be had."""
        folder = Path(self.state_folder)
        entries = read_journal(folder / JOURNAL_NAME)
        thaw_after_moves(folder / GROUPS_NAME, entries, open_device, LinuxProcessTable())

    def _thaw_if_alone(self) -> None:
        # An agent that was killed together with its watchdog has had nobody to do it.
        with contextlib.suppress(OSError):
            if is_the_only_agent(Path(self.state_folder)):
                self.thaw_left_over(self.open_device)

    def _after_death(self, device: Device) -> None:
        # Thawed first: the driver cannot let run who is frozen.
        self.thaw_left_over(lambda: device)
        journal = Path(self.state_folder) / JOURNAL_NAME
        unpaused = let_owners_run(journal, device, LinuxProcessTable())
        self.log.warning("let run again: %s", unpaused or "nobody stood still")

    @functools.cached_property
    def _driver_helper(self) -> DriverHelper:
        if self.driver_helper_folder:
            return DriverHelper(Path(self.driver_helper_folder), is_ours=False)
        return DriverHelper(Path(self.state_folder) / DRIVER_HELPER_NAME)


def main() -> None:
    """Entry point."""
    leave_no_core_dump()
    SubletAgent.launch_instance()


if __name__ == "__main__":
    main()
