"""The settings of everything on one machine."""

from dataclasses import dataclass

from sublet_hub.one_machine.paths import Places

DEFAULT_QUOTA = """\
# The quota document: see quota/quota.schema.json for all that it can say. Changes are taken up
# while the hub runs; a document with an error is refused, and the one before stays in force.
pools:
  - name: interactive
    memory_overcommit: 2
    idle_after: 1m
    give_back_within: 60s
"""


@dataclass(frozen=True, slots=True)
class MachineSettings:
    """The settings of the hub, agent and GPUs on this machine."""

    places: Places
    simulated: bool
    quota: str = DEFAULT_QUOTA
    speed: float = 1.0
    """How fast the simulated GPU moves memory, 1 being as measured on an H100."""
    gpu_memory_gib: float = 80
    """The memory of each simulated GPU."""
    simulated_gpus: int = 1
    """How many simulated GPUs there are."""
    cards: str = ""
    """Simulated GPUs of several types in place of these, as the daemon reads them."""
    quota_source: str = "file"
    """Where the quota document is kept: ``file`` or ``database``."""
    gpus: tuple[str, ...] = ()
    """The cards to serve, by UUID; none named: all."""
    unsafe_skip_room_check: bool = False
    """Simulated GPUs only: show what happens without the check for room."""

    @property
    def password(self) -> str:
        """The password of every user; the folder's own, made at its first start."""
        return self.places.password_file.read_text(encoding="ascii").strip()

    @property
    def admin_password(self) -> str:
        """The password of the user ``admin``; likewise."""
        return self.places.admin_password_file.read_text(encoding="ascii").strip()
