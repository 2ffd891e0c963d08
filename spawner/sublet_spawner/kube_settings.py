"""The settings of the Kubernetes spawner, as ``c.KubeSliceSpawner.*``."""

from pathlib import PurePosixPath
from typing import Any

from sublet_quota.wire.api import Lease
from sublet_quota.wire.environment import NO_GPU
from traitlets import Dict, Enum, Float, Integer, TraitError, Unicode, default, validate
from traitlets.config import Configurable

from sublet_spawner.backends import BACKENDS
from sublet_spawner.backends.reading import read_settings
from sublet_spawner.backends.records import Backend, Guarantees, PodFields
from sublet_spawner.backends.simulated import SIMULATED, SimulatedSettings
from sublet_spawner.pod_writing import HostFolder
from sublet_spawner.server_secret import IF_ALLOWED


class KubeSliceSettings(Configurable):
    """The settings of an admin, beside ``c.KubeSpawner.*`` and ``c.SliceSpawnerMixin.*``."""

    slice_backend = Enum(
        list(BACKENDS),
        default_value="time-slicing",
        help="""How a slice is asked for on this cluster: the engine that shares its GPUs. Each has
        a page in Sublet's documentation. Slices on simulated GPUs need none.""",
    ).tag(config=True)

    slice_backend_settings = Dict(
        help="""Settings of each backend, by its name, such as
        {"kai": {"queue": "notebooks"}, "time-slicing": {"resource": "nvidia.com/gpu.shared"}}.""",
    ).tag(config=True)

    slice_size = Unicode(
        "",
        help=f"""The size that a server gets whatever its user chose, {NO_GPU!r} for none. Meant for
        kubespawner_override in a profile of profile_list: each profile may come with its own.""",
    ).tag(config=True)

    agent_host_folder = Unicode(
        "/run/sublet/tenants",
        help="""The folder on the node in which the agent makes its socket for servers. It is shown
        to each server with a slice, read-only, where agent_socket lies. Nothing else may be in
        it.""",
    ).tag(config=True)

    simulated_host_folder = Unicode(
        "/run/sublet/tenants",
        help="""The folder on the node in which the simulated GPUs' daemon makes its socket; shown
        where simulated_socket lies to servers with simulated slices.""",
    ).tag(config=True)

    host_memory_factor = Float(
        1.0,
        min=0.0,
        max=4.0,
        help="""By how many times its slice's memory cap a pod's memory request and limit grow, so
        that suspending the slice has room: its GPU memory then lies in the pod's host memory (0 to
        4). Less than 1 saves host memory, and a slice that holds more is then not suspended. Only
        where the backend's slices are suspended at all.""",
    ).tag(config=True)

    owner_records = Unicode(
        "",
        help="""By what the names of the OwnerRecords objects of Sublet's chart begin, in the
        servers' namespace: each start is recorded in one of them, and the cluster lets its owner's
        jobs have what the server had and no more.
        Empty where the chart makes no admission policy for jobs: nothing is recorded.""",
    ).tag(config=True)

    tokens_in_secrets = Enum(
        [True, IF_ALLOWED, False],
        default_value=True,
        help=f"""Keep each server's token, and variables that are called like secrets, out of its
        pod: in a Secret that the pod names, made anew for each start and removed with the pod. The
        hub's role must let it create, patch and delete Secrets in the servers' namespace; where it
        does not let it create them no server starts. With {IF_ALLOWED!r} servers start there with
        their tokens in their pods, and the hub's log says so at each start; with False they always
        have them there. Whoever may look at pods can then act as every user whose server runs.""",
    ).tag(config=True)

    gpu_type_node_label = Unicode(
        "",
        help="""The label by which nodes tell their type of GPU, such as nvidia.com/gpu.product of
        NVIDIA's feature discovery. Where the cluster's scheduler places slices and there are
        several types, set it: pods then go to nodes of the type that was granted. Empty: to any
        node.""",
    ).tag(config=True)

    image_uid = Integer(
        1000,
        min=0,
        help="""The account that the image runs as, where KubeSpawner's uid does not say it. Jobs
        run as the same account.""",
    ).tag(config=True)

    image_gid = Integer(
        100, min=0, help="The group that the image runs as, where KubeSpawner's gid is not set."
    ).tag(config=True)

    image_home = Unicode(
        "/home/jovyan",
        help="The home folder in the image, where KubeSpawner's working_dir is not set.",
    ).tag(config=True)

    @default("job_python")
    def _python_of_the_image(self) -> str:
        return "python3"

    @validate("slice_backend_settings")
    def _check_backend_settings(self, proposal: Any) -> Any:
        """Return the settings; raise for what no backend knows, before the first server starts."""
        for name, written in proposal["value"].items():
            if name not in BACKENDS:
                message = f"slice_backend_settings names {name!r}: backends are {_listed()}"
                raise TraitError(message)
            try:
                read_settings(BACKENDS[name], written)
            except (TypeError, ValueError) as error:
                message = f"slice_backend_settings: {error}"
                raise TraitError(message) from error
        return proposal["value"]

    def _backend_for(self, *, simulated: bool) -> tuple[Backend[Any], Any]:
        """Return the backend and its settings."""
        if simulated:
            return SIMULATED, SimulatedSettings()
        backend = BACKENDS[self.slice_backend]
        written = self.slice_backend_settings.get(self.slice_backend, {})
        return backend, read_settings(backend, written)

    def _guarantees(self, *, simulated: bool, of: PodFields | None = None) -> Guarantees:
        """Return what all slices are sure of, or what the one is that these fields are of."""
        if of is not None and of.guarantees is not None:
            return of.guarantees
        backend, settings = self._backend_for(simulated=simulated)
        guarantees: Guarantees = backend.guarantees(settings)
        return guarantees

    def _host_folders(self, lease: Lease, agent: str, simulated: str) -> tuple[HostFolder, ...]:
        """Return the folders with the sockets that a server finds at these paths."""
        folder = str(PurePosixPath(agent).parent)
        folders = [HostFolder("sublet-agent", self.agent_host_folder, folder)]
        if lease.simulated and simulated:
            other = str(PurePosixPath(simulated).parent)
            if (other, self.simulated_host_folder) != (folder, self.agent_host_folder):
                folders.append(HostFolder("sublet-simulated", self.simulated_host_folder, other))
        return tuple(folders)


def _listed() -> str:
    return ", ".join(BACKENDS)
