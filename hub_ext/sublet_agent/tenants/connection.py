"""What one connection of a tenant says, and what it is told.

Who speaks is known from the socket's peer, never from what is said (THREATS 1): a tenant can only
move its own slice. What cannot be read is answered with ``Unknown``.
"""

import asyncio
from dataclasses import dataclass
from typing import Final, Protocol, assert_never

from pydantic import ValidationError
from sublet_quota.names.ids import GpuId, SliceId
from sublet_quota.wire.tenant_socket import (
    FROM_TENANT,
    NOBODYS_CELL,
    AgentAnswer,
    AskShare,
    CapNotice,
    EnterGate,
    GateOpen,
    GateWaits,
    KernelActivity,
    LeaveGate,
    LocalShare,
    TenantMessage,
    Unknown,
)

from sublet_agent.processes.peer import Peer
from sublet_agent.residency.gate import GateRequest
from sublet_agent.tenants.lines import TenantLines

_WAIT_PERIOD_S: Final = 0.5
"""A waiting cell is told about changes at most so often."""
_FIRST_WAIT_S: Final = 0.05
"""A gate that opens sooner needs no explanation."""
_WAIT_REPEAT_S: Final = 2.0
_MOST_BAD_LINES: Final = 20
_MOST_GATES: Final = 16
"""How many cells of one connection may wait: a kernel has few subshells."""
_MOST_WORDS: Final = 1000


class TenantAnswers(Protocol):
    """What the socket asks of the agent."""

    def slice_of_peer(self, peer: Peer) -> SliceId | None:
        """Return the slice of a peer's process, as long as it runs, where that is told at once."""
        ...

    async def look_closely(self, peer: Peer) -> SliceId | None:
        """Return the slice of a peer's process, as long as it runs; that may take seconds."""
        ...

    def serves(self, slice_id: SliceId) -> bool:
        """Whether the slice is here, and was not taken back."""
        ...

    def activity(self, slice_id: SliceId, report: KernelActivity, connection: object) -> None:
        """Take a kernel's report, which came by this connection."""
        ...

    def connection_ends(self, slice_id: SliceId, connection: object) -> None:
        """Note that a connection by which kernels were reported has ended."""
        ...

    def enter(self, slice_id: SliceId, request: GateRequest) -> bool:
        """Return whether a cell that asks at the gate may run now; else ``request`` waits there."""
        ...

    def leave(self, slice_id: SliceId, request: GateRequest) -> None:
        """Forget a cell that waits no longer, and does not run either."""
        ...

    def other_card(self, slice_id: SliceId) -> GpuId | None:
        """Return the slice's card, where its server may have been started for another."""
        ...

    def lets_through(self, slice_id: SliceId, request: GateRequest) -> bool:
        """Whether the slice's gate is open by now: then its cell runs, and waits no longer."""
        ...

    def cap_notice(self, slice_id: SliceId) -> CapNotice | None:
        """Return what is to be said in cells of how the slice stands to its cap, if anything."""
        ...

    def waits(self, slice_id: SliceId) -> GateWaits:
        """Return why the slice's cells wait."""
        ...

    def share(self, slice_id: SliceId) -> LocalShare | None:
        """Return what the slice holds; ``None`` where no GPU has it."""
        ...


class TenantProcess:
    """The speaker of one connection: a process, and the slice that it is in."""

    def __init__(self, answers: TenantAnswers, peer: Peer) -> None:
        self._answers = answers
        self.peer = peer
        self._slice_id: SliceId | None = None
        self.slice_id()

    @property
    def tenant(self) -> str:
        """The name of whoever's budgets the speaker uses, by what is known of it.

        Strangers share those of their account: they may belong to a slice that is being made.
        """
        return f"uid {self.peer.uid}" if self._slice_id is None else f"slice {self._slice_id}"

    @property
    def is_stranger(self) -> bool:
        """Whether the speaker is in no slice, by what is known of it."""
        return self._slice_id is None

    def slice_id(self) -> SliceId | None:
        """Return the speaker's slice; asked again while it is in none (it may come yet).

        Once told it holds as long as the slice is served: also for a child that goes on speaking.
        """
        if self._slice_id is None or not self._answers.serves(self._slice_id):
            self._slice_id = self._answers.slice_of_peer(self.peer)
        return self._slice_id

    async def look_closely(self) -> None:
        """Find out the speaker's slice, where that was not told at once."""
        if self.slice_id() is None:
            self._slice_id = await self._answers.look_closely(self.peer)


@dataclass(slots=True)
class _Waiting:
    """A cell at the gate, and when its owner is told why."""

    slice_id: SliceId
    timer: asyncio.TimerHandle
    told: float = 0.0


class TenantConnection:
    """One connection: its requests at the gate, and what it was told."""

    def __init__(self, answers: TenantAnswers, speaker: TenantProcess, lines: TenantLines) -> None:
        self._answers = answers
        self._speaker = speaker
        self._lines = lines
        self._gates: dict[GateRequest, _Waiting] = {}
        self._reported_for: set[SliceId] = set()
        self._bad_lines = 0
        self._told_crossing = ""

    def read(self, line: bytes) -> TenantMessage | None:
        """Return what a line says; else answer that it cannot be read."""
        try:
            return FROM_TENANT.validate_json(line)
        except ValidationError as error:
            self._bad_lines += 1
            first = error.errors(include_url=False, include_input=False)[0]
            self.refuse(f"this line cannot be read: {first['msg']}")
            return None

    @property
    def is_nonsense(self) -> bool:
        """Whether too many lines of the connection could not be read."""
        return self._bad_lines >= _MOST_BAD_LINES

    def hear(self, message: TenantMessage) -> None:
        """Do what is asked, for the slice that the speaker is in now."""
        slice_id = self._speaker.slice_id()
        if slice_id is None:
            why = f"process {self._speaker.peer.pid} belongs to no slice of this node"
            self.refuse(why, message.cell if isinstance(message, EnterGate) else None)
            return
        match message:
            case EnterGate():
                self._enter(slice_id, message)
            case LeaveGate():
                self._leave(message)
            case KernelActivity():
                self._reported_for.add(slice_id)
                self._answers.activity(slice_id, message, self)
                self._tell_cap(slice_id, message)
            case AskShare():
                self._tell_share(slice_id)
            case _:
                assert_never(message)

    def refuse(self, why: str, cell: str | None = None) -> None:
        """Answer with ``Unknown``; of a cell at the gate, naming it."""
        self._lines.write(unknown_line(why, cell))

    def end(self) -> None:
        """Take back what waits at the gate."""
        for request, waiting in tuple(self._gates.items()):
            self._forget(request)
            self._answers.leave(waiting.slice_id, request)
        for slice_id in self._reported_for:
            self._answers.connection_ends(slice_id, self)

    def _enter(self, slice_id: SliceId, message: EnterGate) -> None:
        if len(self._gates) >= _MOST_GATES:
            self.refuse(f"{_MOST_GATES} cells wait here already", message.cell)
            return
        identity = self._speaker.peer.identity
        request = GateRequest(message.kernel, message.cell, lambda: None, identity, connection=self)
        request.changed = lambda: self._look(request)
        request.refused = lambda why: self._send_away(request, why)
        if self._answers.enter(slice_id, request):
            self._open(request)
            return
        due = asyncio.get_running_loop().time() + _FIRST_WAIT_S
        self._gates[request] = _Waiting(slice_id, self._tell_at(due, request))

    def _leave(self, message: LeaveGate) -> None:
        """Take back what a cell has asked; one that is through already is past that."""
        for request, waiting in tuple(self._gates.items()):
            if (request.kernel, request.cell) == (message.kernel, message.cell):
                self._forget(request)
                self._answers.leave(waiting.slice_id, request)
                return

    def _look(self, request: GateRequest) -> None:
        """Tell a waiting cell how things stand."""
        waiting = self._gates.get(request)
        if waiting is None:
            return
        if self._answers.lets_through(waiting.slice_id, request):
            self._forget(request)
            self._open(request)
            return
        due = waiting.told + _WAIT_PERIOD_S
        if asyncio.get_running_loop().time() >= due:
            self._tell(request)
        elif waiting.timer.when() > due:
            waiting.timer.cancel()
            waiting.timer = self._tell_at(due, request)

    def _send_away(self, request: GateRequest, why: str) -> None:
        """Refuse a cell whose slice is not served here any more; the next one is looked up anew."""
        if request in self._gates:
            self._forget(request)
            self.refuse(why, request.cell)

    def _forget(self, request: GateRequest) -> None:
        self._gates.pop(request).timer.cancel()

    def _tell(self, request: GateRequest) -> None:
        waiting = self._gates.get(request)
        if waiting is None:
            return
        waiting.timer.cancel()
        waiting.told = asyncio.get_running_loop().time()
        waiting.timer = self._tell_at(waiting.told + _WAIT_REPEAT_S, request)
        wait = self._answers.waits(waiting.slice_id)
        self._send_answer(wait.model_copy(update={"cell": request.cell}))

    def _tell_at(self, due: float, request: GateRequest) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_at(due, self._tell, request)

    def _tell_share(self, slice_id: SliceId) -> None:
        share = self._answers.share(slice_id)
        if share is None:
            self.refuse("the slice was released")
            return
        self._send_answer(share)

    def _open(self, request: GateRequest) -> None:
        slice_id = self._speaker.slice_id()
        gpu_id = None if slice_id is None else self._answers.other_card(slice_id)
        notice = None if slice_id is None else self._news_of_cap(slice_id)
        self._send_answer(GateOpen(cell=request.cell, gpu_id=gpu_id, notice=notice))

    def _tell_cap(self, slice_id: SliceId, message: KernelActivity) -> None:
        """Tell a kernel whose cell runs, past the gate, how its slice stands to its cap."""
        if message.running() - {request.cell for request in self._gates}:
            notice = self._news_of_cap(slice_id)
            if notice is not None:
                self._send_answer(GateOpen(cell=NOBODYS_CELL, notice=notice))

    def _news_of_cap(self, slice_id: SliceId) -> CapNotice | None:
        """Return what of that was not told on this connection yet."""
        notice = self._answers.cap_notice(slice_id)
        if notice is None or notice.crossing == self._told_crossing:
            return None
        self._told_crossing = notice.crossing
        return notice

    def _send_answer(self, answer: AgentAnswer) -> None:
        self._lines.write(answer.model_dump_json().encode() + b"\n")


def unknown_line(why: str, cell: str | None = None) -> bytes:
    """Return the line that answers whoever is not served, or a ``cell`` that is refused."""
    return Unknown(cell=cell, message=why[:_MOST_WORDS]).model_dump_json().encode() + b"\n"
