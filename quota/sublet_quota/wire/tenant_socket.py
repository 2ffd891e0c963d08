"""Between a tenant's processes and the agent of their node, over the local Unix socket.

One JSON object a line, of bounded length each way. Who speaks is known from the socket's peer
credentials, so no message names a slice. A connection belongs to one kernel, or to one notebook
server that reports for kernels which cannot report themselves. A kernel asks for its cells, takes
requests back and tells its levels over the same one: what comes later was later.
"""

from typing import Annotated, Any, Final, Literal

from pydantic import Field, SerializerFunctionWrapHandler, TypeAdapter, model_serializer

from sublet_quota.life_cycles.slice_states import SliceState
from sublet_quota.reasons.obstacles import Obstacle
from sublet_quota.reasons.waiting import WaitReason
from sublet_quota.wire.kept import ToldCapKept, ToldShareKept
from sublet_quota.wire.schema import (
    AnswerModel,
    AwareDatetime,
    Count,
    Mib,
    MilliGpu,
    Name,
    Number,
    Percent,
    RunningPid,
    Seconds,
    SentSequence,
    WireModel,
    Words,
    keeps_first,
)
from sublet_quota.wire.slice_warnings import ToldWarning
from sublet_quota.wire.standing import NOT_TOLD, ToldStanding

MOST_LINE_BYTES: Final = 32 * 1024
"""The longest line of a tenant, after which the agent ends the connection: one that names as many
cells as it may has 17 KiB."""
MOST_ANSWER_BYTES: Final = 64 * 1024
"""The longest line of an agent that a tenant reads."""
MOST_CELLS: Final = 64
_MOST_TOLD: Final = 1000
"""How many processes or kernels of one slice are told of; of more the first."""


class KernelActivity(WireModel):
    """A level, numbered and repeated every two seconds while busy, and on each change."""

    type: Literal["activity"] = "activity"
    kernel: Name
    sequence: SentSequence
    busy: bool
    """Whether a cell runs: from its ``execute_request`` to its end, ``input()`` not counted."""
    cell: Name | None = None
    """The id of the ``execute_request``; of several that run, the last to begin."""
    cells: tuple[Name, ...] = Field(default=(), max_length=MOST_CELLS)
    """The ids of all cells that run, where there are several (in subshells)."""

    @model_serializer(mode="wrap")
    def _without_nothing(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Return the fields; without an empty ``cells``, which older agents do not know."""
        values: dict[str, Any] = dump(self)
        return values if self.cells else {k: v for k, v in values.items() if k != "cells"}

    def running(self) -> frozenset[str]:
        """Return the cells that run."""
        if not self.busy:
            return frozenset()
        return frozenset(self.cells) | ({self.cell} if self.cell is not None else set())


class EnterGate(WireModel):
    """A cell wants to run. Answered by ``GateWaits`` while it must wait, then ``GateOpen``.

    Each level that the kernel tells from here on names the cell, until it is over. Closing the
    connection takes the request back, as ``LeaveGate`` does.
    """

    type: Literal["enter"] = "enter"
    kernel: Name
    cell: Name


class LeaveGate(WireModel):
    """A cell waits no longer: it was interrupted, or runs without leave. Not answered."""

    type: Literal["leave"] = "leave"
    kernel: Name
    cell: Name


class AskShare(WireModel):
    """What does the sender's slice hold? Answered by ``LocalShare``."""

    type: Literal["share"] = "share"


class GateWaits(AnswerModel):
    """Why the cell waits; sent again as things change, at most twice a second."""

    type: Literal["wait"] = "wait"
    cell: Name | None = None
    """The cell that is answered; ``None`` as part of a share: any of the slice's."""
    reason: WaitReason
    place: Count = 1
    need_mib: Number = 0
    free_mib: Number = 0
    moving_mib: Mib = 0
    """How much moves in all by the move that is awaited, if it is under way."""
    seconds_left: Seconds | None = None
    message: Words
    """One sentence for the owner; names no other user."""


NOBODYS_CELL: Final = "no cell"
"""What an answer names that is for none at the gate: kernels of before take no notice of it."""


class CapNotice(AnswerModel):
    """That the slice has come to its memory cap, for the output of a cell that runs."""

    crossing: Name
    """Names this one time; told again by a new agent, it is no news."""
    message: Words


class GateOpen(AnswerModel):
    """The rest of the cap is free: run."""

    type: Literal["open"] = "open"
    cell: Name | None = None
    """The cell that is answered; agents of before name none. ``NOBODYS_CELL``: there is a notice
    alone, for whichever cell runs."""
    notice: CapNotice | None = None
    gpu_id: Name | None = None
    """The card of the slice, where it is another than the one its server was started for."""


class ShareMove(AnswerModel):
    """A move of the slice's own memory, in flight."""

    kind: Literal["suspending", "resuming"]
    """Whether the memory leaves the GPU, or comes back to it."""
    began: AwareDatetime
    bytes_mib: Mib
    """How much moves in all."""
    moved_mib: Mib | None = None
    """How much of the move has arrived; ``None`` where the device does not tell."""
    expected_s: Seconds
    """How long the move takes in all, from rates measured on this GPU."""
    elapsed_s: Seconds | None = None
    """For how long the move is under way, by the agent's clock: the reader's may be another."""


class ShareProcess(AnswerModel):
    """A process of the slice that holds something on the GPU, or had it moved away."""

    pid: RunningPid
    """The pid as the agent's machine numbers it; inside a container it may be another."""
    kernel: Name | None = None
    """The kernel that the process is, or descends from; ``None``: a terminal's, or not known."""
    memory_mib: Mib
    """What the process holds on the GPU now."""
    memory_told: bool = True
    """Whether the GPU tells what the process holds; else ``memory_mib`` says nothing."""
    host_mib: Mib = 0
    """What the process holds in host memory, to come back."""


class LocalShare(AnswerModel):
    """The sender's slice at this moment."""

    type: Literal["share"] = "share"
    slice_id: Name
    gpu_id: Name
    gpu_type: Name
    simulated: bool
    cap_mib: Mib
    memory_mib: Mib
    memory_told: bool = True
    """Whether the GPU tells what each of the processes holds; else ``memory_mib`` is only the
    least."""
    host_mib: Mib
    standing: ToldStanding = NOT_TOLD
    """What ``state``, ``active``, ``lent``, ``move`` and ``wait`` come to, in one word."""
    standing_with_next_cell: ToldStanding | None = None
    """How the slice stands as soon as a cell is run, where memory has to come back for that."""
    state: SliceState
    active: bool
    since: AwareDatetime
    utilisation_percent: Percent | None
    """``None``: the GPU does not tell."""
    lent: bool
    unsuspendable: Words | None = None
    obstacle: Obstacle | None = None
    """The code of what ``unsuspendable`` tells in words."""
    warnings: tuple[ToldWarning, ...] = Field(default=(), max_length=_MOST_TOLD)
    """What ``over_cap``, ``unsuspendable`` and ``obstacle`` come to, in words."""
    gpu_memory_mib: Mib = 0
    """The memory of the whole card."""
    compute_milli: MilliGpu = 1000
    compute_kept: ToldShareKept | None = None
    """How it stands with ``compute_milli``; ``None``: the agent is of an older version."""
    cap_kept: ToldCapKept | None = None
    """By what ``cap_mib`` is kept; ``None``: it is not known."""
    move: ShareMove | None = None
    wait: GateWaits | None = None
    """Why the slice's cells wait, as they are told at the gate."""
    waiting_kernels: Annotated[tuple[Name, ...], keeps_first(_MOST_TOLD)] = Field(
        default=(), max_length=_MOST_TOLD
    )
    """The kernels with a cell at the gate: interrupting one takes its cell back."""
    processes: Annotated[tuple[ShareProcess, ...], keeps_first(_MOST_TOLD)] = Field(
        default=(), max_length=_MOST_TOLD
    )
    over_cap: bool = False
    """Whether the slice has more than its cap, on the GPU and in host memory."""
    running_cell: bool = False
    """Whether a kernel says that a cell runs: the slice cannot be given up then."""


class Unknown(AnswerModel):
    """The sender belongs to no slice of this agent, or sent what cannot be read."""

    type: Literal["unknown"] = "unknown"
    cell: Name | None = None
    """The cell whose request is refused, if one's is."""
    message: Words


TenantMessage = KernelActivity | EnterGate | LeaveGate | AskShare
AgentAnswer = GateWaits | GateOpen | LocalShare | Unknown
FROM_TENANT: TypeAdapter[TenantMessage] = TypeAdapter(
    Annotated[TenantMessage, Field(discriminator="type")]
)
TO_TENANT: TypeAdapter[AgentAnswer] = TypeAdapter(
    Annotated[AgentAnswer, Field(discriminator="type")]
)
