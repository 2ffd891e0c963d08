"""containerd with a root, a state and a socket of its own, beside any that the machine may run.

It has a mount namespace of its own, which the kubelet shares: no option of a kubelet moves the
folder where device plugins meet it, so there the run's own folder lies in that place. What both
mount goes with them. A node that is started again shows another boot's id, there and in containers.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import grpc

from tests.support.kube.images import PAUSE, pause_image
from tests.support.kube.processes import Program, Programs, run, wait_for
from tests.support.kube.programs import find, network_plugins
from tests.support.kube.run_folder import Network

_NAMESPACE: Final = "k8s.io"
_START_S: Final = 300.0
_ANSWER_S: Final = 10.0
_VERSION: Final = "/runtime.v1.RuntimeService/Version"
"""What a kubelet asks first."""
_PLUGINS: Final = Path("/var/lib/kubelet/device-plugins")
BOOT_ID: Final = "boot-id"
"""In the run's folder: the id of the machine's boot, where it is another than the machine's own."""
_BOOT_ID_OF_LINUX: Final = "proc/sys/kernel/random/boot_id"
_WITH_MOUNTS: Final = """
mount --bind "$1" "$2"
[ ! -e "$3" ] || mount --bind "$3" "$4"
shift 4
exec "$@"
"""
_IN_CONTAINERS: Final = f"""#!/bin/sh -e
# Before a container begins: the runtime says on its input which.
[ -e "$1" ] || exit 0
bundle=$(sed 's/.*"bundle":"\\([^"]*\\)".*/\\1/')
exec /bin/mount --bind "$1" "$bundle/rootfs/{_BOOT_ID_OF_LINUX}"
"""

_CONFIGURATION: Final = """
version = 2
root = "{folder}/containerd"
state = "{folder}/containerd-state"
disabled_plugins = [
    "io.containerd.snapshotter.v1.aufs",
    "io.containerd.snapshotter.v1.btrfs",
    "io.containerd.snapshotter.v1.devmapper",
    "io.containerd.snapshotter.v1.zfs",
]

[grpc]
address = "{folder}/containerd.sock"

[plugins."io.containerd.internal.v1.opt"]
path = "{folder}/containerd-opt"

[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{pause}"
netns_mounts_under_state_dir = true
# Without the right to lower it, each sandbox fails with "can't get final child's PID from pipe".
restrict_oom_score_adj = true

[plugins."io.containerd.grpc.v1.cri".containerd]
snapshotter = "overlayfs"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
base_runtime_spec = "{folder}/containers.json"

[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
BinaryName = "{runc}"

[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "{plugins}"
conf_dir = "{folder}/network"
"""

_NETWORK: Final = """
{{
  "cniVersion": "0.4.0",
  "name": "pods",
  "plugins": [
    {{
      "type": "bridge",
      "bridge": "{bridge}",
      "hairpinMode": true,
      "ipam": {{
        "type": "host-local",
        "dataDir": "{folder}/addresses",
        "ranges": [[{{"subnet": "{pods}", "rangeStart": "{first}", "gateway": "{address}"}}]],
        "routes": [{{"dst": "0.0.0.0/0"}}]
      }}
    }}
  ]
}}
"""


@dataclass(frozen=True, slots=True)
class Containerd:
    """A running containerd."""

    folder: Path
    program: Program

    @property
    def socket(self) -> Path:
        return self.folder / "containerd.sock"

    @property
    def plugins(self) -> Path:
        """Where device plugins meet the kubelet, as seen from outside."""
        return self.folder / "device-plugins"

    def beside(self, *command: str | Path) -> Sequence[str | Path]:
        """Return how a program is started that sees the same mounts."""
        mounts = f"--mount=/proc/{self.program.process.pid}/ns/mnt"
        return [find("nsenter"), mounts, "--", *command]

    def import_image(self, archive: Path) -> None:
        """Take in an image from an archive; its name is written in it."""
        self.ctr("images", "import", archive)

    def end_containers(self) -> None:
        """End what still runs in it: containers outlive the daemon, and would outlive the tests."""
        for task in self.ctr("tasks", "list", "--quiet").split():
            self.ctr("tasks", "delete", "--force", task)

    def start_again(self, programs: Programs) -> None:
        """Start it once it has ended; returns when it answers."""
        self.program.process = _start(programs).process
        self.wait_until_it_answers()

    def wait_until_it_answers(self) -> None:
        """Wait until it does, or fail with its last words."""
        program = self.program
        wait_for(lambda: _answers(self), _START_S, lambda: f"containerd:\n{program.tail()}")

    def ctr(self, *words: str | Path) -> str:
        """Run containerd's own command line on it."""
        return run(find("ctr"), f"--address={self.socket}", f"--namespace={_NAMESPACE}", *words)


def start_containerd(programs: Programs, network: Network) -> Containerd:
    """Start it, with the sandboxes' image in it; returns when it answers."""
    folder = programs.folder
    (folder / "network").mkdir()
    (folder / "network" / "10-pods.conflist").write_text(
        _NETWORK.format(
            folder=folder,
            bridge=network.bridge,
            pods=network.pods,
            address=network.address,
            first=network.first_pod,
        )
    )
    configuration = folder / "containerd.toml"
    configuration.write_text(
        _CONFIGURATION.format(
            folder=folder, pause=PAUSE, plugins=network_plugins(), runc=find("runc")
        )
    )
    _write_containers(folder)
    plugins = folder / "device-plugins"
    plugins.mkdir()
    _PLUGINS.mkdir(parents=True, exist_ok=True)
    containerd = Containerd(folder, _start(programs))
    containerd.wait_until_it_answers()
    containerd.import_image(pause_image(folder))
    return containerd


def _write_containers(folder: Path) -> None:
    """Write what every container begins with: containerd's own, and the id of the boot."""
    hook = folder / "show-boot-id"
    hook.write_text(_IN_CONTAINERS)
    hook.chmod(0o755)
    containers = json.loads(run(find("ctr"), "oci", "spec"))
    told = {"path": str(hook), "args": [str(hook), str(folder / BOOT_ID)]}
    containers["hooks"] = {"createContainer": [told]}
    (folder / "containers.json").write_text(json.dumps(containers))


def _start(programs: Programs) -> Program:
    folder = programs.folder
    # It looks for its shim, and the shim for runc, along the path.
    folders = [str(find(each).parent) for each in ("containerd-shim-runc-v2", "runc")]
    path = ":".join([*folders, os.environ.get("PATH", ""), "/usr/sbin:/sbin"])
    return programs.start(
        "containerd",
        [
            *(find("unshare"), "--mount", "--propagation=private", "--"),
            *("sh", "-ec", _WITH_MOUNTS, "sh"),
            *(folder / "device-plugins", _PLUGINS, folder / BOOT_ID, f"/{_BOOT_ID_OF_LINUX}"),
            *(find("containerd"), f"--config={folder / 'containerd.toml'}"),
        ],
        {"PATH": path},
    )


def _answers(containerd: Containerd) -> bool:
    """Whether it answers kubelets, too, which end where it does not: that it does later."""
    containerd.program.must_run()
    try:
        containerd.ctr("version")
        # Go's server refuses the escaped path that would be the authority otherwise.
        told = [("grpc.default_authority", "localhost")]
        with grpc.insecure_channel(f"unix://{containerd.socket}", options=told) as channel:
            channel.unary_unary(_VERSION)(b"", timeout=_ANSWER_S)
    except (RuntimeError, grpc.RpcError):
        return False
    return True
