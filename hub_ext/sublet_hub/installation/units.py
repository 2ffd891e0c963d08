"""The systemd units, as text.

What a job may not have, the service may not either: jobs are started by it and inherit its
sandbox. So nothing here hides homes, devices or ``/tmp`` from the service.
"""

from typing import Final

from sublet_hub.installation.layout import (
    ACCOUNT,
    AGENT_CONFIGURATION,
    SERVICE_CONFIGURATION,
    SIMULATED_SOCKET,
    SIMULATED_UNIT,
)
from sublet_hub.installation.wishes import Choices

_FIRST_WITH_GROWING_PAUSES: Final = 254
_MADE_BY: Final = "# Made by `sublet install`. For changes of yours: `systemctl edit`.\n"

_RESTART: Final = """\
Restart=always
RestartSec={pause}
"""
# Short at its longest, too: systemd never goes back to the shortest (systemd#43813), and owners of
# suspended notebooks wait as long.
_GROWING: Final = """\
RestartSteps=4
RestartMaxDelaySec=10s
"""

_SERVICE: Final = """\
[Unit]
Description=Sublet: the hub service
After=network.target
# However often it fails: it is tried again.
StartLimitIntervalSec=0

[Service]
Type=exec
User={account}
Group={account}
ExecStart={python} -m sublet_hub.app.application --config={configuration}
{restart}StateDirectory=sublet/service
StateDirectoryMode=0700
UMask=0077
# Jobs go on while the service is restarted or upgraded, in the control groups that the agent makes.
KillMode=process
Delegate=yes
OOMPolicy=continue
# Jobs have these too: what is suspended lies in their own memory, and is never written to disk.
LimitCORE=0
MemorySwapMax=0
# To start jobs under their owners' accounts, to find their processes, and to end them.
AmbientCapabilities=CAP_SETUID CAP_SETGID CAP_KILL CAP_SYS_PTRACE
CapabilityBoundingSet=CAP_SETUID CAP_SETGID CAP_KILL CAP_SYS_PTRACE
NoNewPrivileges=yes
ProtectSystem=full
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectHostname=yes
RestrictRealtime=yes
# Jobs have this one, together, and not the machine's: what they share by name, and leave behind.
# Each could have its own only if the service might mount (CAP_SYS_ADMIN), which is nearly root.
TemporaryFileSystem=/dev/shm:mode=1777
# Not here, as jobs would have it too: PrivateDevices, DeviceAllow and ProtectClock (no GPU),
# ProtectHome, PrivateTmp, MemoryDenyWriteExecute.

[Install]
WantedBy=multi-user.target
"""

_AGENT: Final = """\
[Unit]
Description=Sublet: the agent of this machine's GPUs
After=network.target nvidia-persistenced.service{after}
Wants={wants}
StartLimitIntervalSec=0

[Service]
Type=exec
{modprobe}ExecStart={python} -m sublet_agent.app.application --config={configuration}
{restart}RuntimeDirectory=sublet
RuntimeDirectoryMode=0755
# Notebook servers keep the folder's path over a restart of the agent.
RuntimeDirectoryPreserve=yes
StateDirectory=sublet/agent
StateDirectoryMode=0700
UMask=0022
# It looks after its own child when that dies, and lets owners run before it ends. What it was
# letting the driver do goes on to its end: never broken off.
KillMode=process
TimeoutStopSec=90s
# It makes control groups below its own.
Delegate=yes
OOMPolicy=continue
OOMScoreAdjust=-900
LimitCORE=0
# It acts on every user's processes: root, the whole of /proc, all control groups, the GPUs.
NoNewPrivileges=yes
CapabilityBoundingSet=~CAP_SYS_BOOT CAP_SYS_TIME CAP_NET_ADMIN CAP_NET_RAW CAP_AUDIT_CONTROL
ProtectSystem=full
ProtectHome=read-only
ProtectHostname=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
LockPersonality=yes
# Not here: ProtectClock and PrivateDevices (no GPU), ProtectControlGroups (it freezes),
# ProtectKernelModules (NVML may load the driver's), ProtectProc, PrivateUsers, PrivateTmp.

[Install]
WantedBy=multi-user.target
"""

_SIMULATED: Final = """\
[Unit]
Description=Sublet: simulated GPUs
StartLimitIntervalSec=0

[Service]
Type=exec
ExecStart={python} -m sublet_agent.simulated.daemon --socket={socket}
{restart}RuntimeDirectory=sublet-gpus
RuntimeDirectoryMode=0755
UMask=0000
LimitCORE=0
NoNewPrivileges=yes
ProtectSystem=full
ProtectHome=read-only

[Install]
WantedBy=multi-user.target
"""


def service_unit(choices: Choices) -> str:
    """Return the unit of the hub service."""
    return _MADE_BY + _SERVICE.format(
        account=ACCOUNT,
        python=choices.hub.environment.python,
        configuration=SERVICE_CONFIGURATION,
        restart=_restart(choices),
    )


def agent_unit(choices: Choices) -> str:
    """Return the unit of the node's agent."""
    simulated = choices.simulated
    # A server under NoNewPrivileges cannot make the devices, which may be missing after a boot.
    modprobe = "ExecStartPre=-+/usr/bin/nvidia-modprobe -c 0 -u\n"
    return _MADE_BY + _AGENT.format(
        after=f" {SIMULATED_UNIT}" if simulated else "",
        wants=SIMULATED_UNIT if simulated else "nvidia-persistenced.service",
        modprobe=modprobe if choices.has_nvidia_modprobe and not simulated else "",
        python=choices.hub.environment.python,
        configuration=AGENT_CONFIGURATION,
        restart=_restart(choices),
    )


def simulated_unit(choices: Choices) -> str:
    """Return the unit of the simulated GPUs."""
    return _MADE_BY + _SIMULATED.format(
        python=choices.hub.environment.python, socket=SIMULATED_SOCKET, restart=_restart(choices)
    )


def _restart(choices: Choices) -> str:
    """Return after what pause a part is started again: one that grows, where systemd can."""
    if choices.systemd_version >= _FIRST_WITH_GROWING_PAUSES:
        return _RESTART.format(pause="1s") + _GROWING
    return _RESTART.format(pause="5s")
