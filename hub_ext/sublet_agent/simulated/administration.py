"""Administration of simulated GPUs, for root and the daemon's own user: truths and faults.

``inspect`` tells what really is, whatever any agent believes: the tests of lending judge by it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sublet_agent.simulated.machine.card import CardSetup, Figure
from sublet_agent.simulated.machine.machine import DRIVER_VERSION
from sublet_agent.simulated.machine.operations import OperationKind
from sublet_agent.simulated.protocol.connection import ThreadConnections
from sublet_agent.simulated.protocol.errors import CudaCode, SimulatedGpuError


@dataclass(frozen=True, slots=True)
class BufferTruth:
    """A buffer, as it really is."""

    mib: int
    sha256: str | None
    intact: bool | None
    """Whether the bytes are what the program last put there; ``None`` where not checked."""


@dataclass(frozen=True, slots=True)
class ProcessTruth:
    """A process, as it really is."""

    pid: int
    uid: int
    start_time: int
    gpu_id: str
    state: str
    """The state in the driver's words: running, locked, checkpointed, failed."""
    operation: str | None
    """What is being done to the process at this moment."""
    leased: bool
    """Whether the process is locked for a while only, after which it is let run."""
    held_mib: int
    on_card_mib: int
    host_mib: int
    poisoned: bool
    lost: str | None
    """Why the process's work is lost; ``None`` where it is not."""
    mps: bool
    managed: bool
    waiting_calls: int
    busy_ms: int
    buffers: tuple[BufferTruth, ...]


@dataclass(frozen=True, slots=True)
class EndedTruth:
    """A process that has ended."""

    pid: int
    start_time: int
    state: str
    lost: str | None
    how: str


@dataclass(frozen=True, slots=True)
class CardTruth:
    """A card, as it really is."""

    gpu_id: str
    total_mib: int
    free_mib: int
    gone: str | None


@dataclass(frozen=True, slots=True)
class Truth:
    """The cards and processes, as the daemon knows them."""

    cards: tuple[CardTruth, ...]
    processes: tuple[ProcessTruth, ...]
    ended: tuple[EndedTruth, ...]

    @property
    def lost(self) -> tuple[ProcessTruth | EndedTruth, ...]:
        """All processes whose work was lost, ended ones too."""
        every: list[ProcessTruth | EndedTruth] = [*self.processes, *self.ended]
        return tuple(each for each in every if each.lost is not None)

    def process(self, pid: int) -> ProcessTruth | None:
        """Return one process that has a context now, or ``None``."""
        return next((each for each in self.processes if each.pid == pid), None)


class Administration:
    """A connection to the daemon of simulated GPUs, for what only its user may ask."""

    def __init__(self, socket_path: str) -> None:
        self._daemon: Final = ThreadConnections(socket_path)

    def close(self) -> None:
        """Close the calling thread's connection."""
        self._daemon.close()

    def inspect(self, *, verify: bool = False) -> Truth:
        """Return what really is; with ``verify``, every buffer whose hash is known is hashed."""
        answer: Mapping[str, Any] = self._daemon.ask("inspect", verify=verify)
        return Truth(
            cards=tuple(
                CardTruth(each["gpu_id"], each["total_mib"], each["free_mib"], each["gone"])
                for each in answer["gpus"]
            ),
            processes=tuple(_process(each) for each in answer["processes"]),
            ended=tuple(EndedTruth(**each) for each in answer["ended"]),
        )

    def fail(
        self, kind: OperationKind, code: CudaCode, *, nth: int = 1, pid: int | None = None
    ) -> None:
        """Let the ``nth`` operation of a kind from now fail, and change nothing."""
        self._plan(operation=kind.value, code=int(code), nth=nth, pid=pid)

    def delay(
        self, kind: OperationKind, seconds: float, *, nth: int = 1, pid: int | None = None
    ) -> None:
        """Let the ``nth`` operation of a kind from now take longer."""
        self._plan(operation=kind.value, delay_s=seconds, nth=nth, pid=pid)

    def poison_restore(self, *, nth: int = 1, pid: int | None = None) -> None:
        """Let the ``nth`` restore from now fail as without room: the process is lost."""
        self._plan(operation=OperationKind.RESTORE.value, poisons=True, nth=nth, pid=pid)

    def corrupt_restore(self, *, nth: int = 1, pid: int | None = None) -> None:
        """Let the ``nth`` restore from now bring other bytes back, and say nothing of it."""
        self._plan(operation=OperationKind.RESTORE.value, corrupts=True, nth=nth, pid=pid)

    def set_up(self, gpu_id: str, setup: CardSetup, *, driver: str = DRIVER_VERSION) -> None:
        """Let a card be set up so, under this version of the driver (all cards have one)."""
        self._daemon.ask(
            "set_up",
            gpu_id=gpu_id,
            driver=driver,
            persistent=setup.persistent is True,
            persistence_hidden=setup.persistent is None,
            compute_mode=setup.compute_mode.value,
            mps=setup.mps,
            split=setup.split,
        )

    def silence(self, gpu_id: str, figure: Figure, *, silent: bool = True) -> None:
        """Let a card not tell something, or tell it again."""
        self._daemon.ask("silence", gpu_id=gpu_id, figure=figure.value, silent=silent)

    def hide_memory(self, pid: int, *, hidden: bool = True) -> None:
        """Let the cards not tell how much a process holds, or tell it again."""
        self._daemon.ask("hide_memory", pid=pid, hidden=hidden)

    def leave_memory(self, *, left: bool = True) -> None:
        """Let whoever takes memory find what others left there, or no longer."""
        self._daemon.ask("leave_memory", left=left)

    def clear_faults(self) -> None:
        """Forget the faults that have not come yet, and let go on what one delays."""
        self._daemon.ask("clear_faults")

    def report_xid(self, gpu_id: str, code: int, detail: str = "") -> None:
        """Report an XID error of a card."""
        self._break(gpu_id, "xid", f"XID {code}{': ' if detail else ''}{detail}")

    def report_ecc(self, gpu_id: str, detail: str = "uncorrectable error") -> None:
        """Report an uncorrectable memory error of a card."""
        self._break(gpu_id, "ecc", detail)

    def lose_card(self, gpu_id: str, detail: str = "it has fallen off the bus") -> None:
        """Let a card vanish: what is on it is lost, suspended processes are not."""
        self._break(gpu_id, "gone", detail)

    def lose_context(self, pid: int, detail: str) -> None:
        """Let every GPU call of a process fail from now on."""
        self._daemon.ask("lose_context", pid=pid, detail=detail)

    def limit_host_memory(self, pid: int, limit_mib: int | None) -> None:
        """Let a process be killed when its image in host memory grows beyond a limit."""
        self._daemon.ask("limit_host_memory", pid=pid, limit_mib=limit_mib)

    def _break(self, gpu_id: str, kind: str, detail: str) -> None:
        self._daemon.ask("break_card", gpu_id=gpu_id, kind=kind, detail=detail)

    def _plan(self, **fields: object) -> None:
        self._daemon.ask("plan_fault", **fields)


def _process(answer: Mapping[str, Any]) -> ProcessTruth:
    try:
        return ProcessTruth(
            pid=answer["pid"],
            uid=answer["uid"],
            start_time=answer["start_time"],
            gpu_id=answer["gpu_id"],
            state=answer["state"],
            operation=answer["operation"],
            leased=answer["leased"],
            held_mib=answer["held_mib"],
            on_card_mib=answer["on_card_mib"],
            host_mib=answer["host_mib"],
            poisoned=answer["poisoned"],
            lost=answer["lost"],
            mps=answer["mps"],
            managed=answer["managed"],
            waiting_calls=answer["waiting_calls"],
            busy_ms=answer["busy_ms"],
            buffers=tuple(
                BufferTruth(each["mib"], each["sha256"], each["intact"])
                for each in answer["buffers"]
            ),
        )
    except KeyError as error:
        message = f"the daemon's answer has no {error}: it is of another version"
        raise SimulatedGpuError(message) from error
