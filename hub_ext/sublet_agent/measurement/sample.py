"""The sample of one GPU and its processes: measured by blocking calls, for a thread of its own."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sublet_quota.names.ids import GpuId, SliceId
from sublet_quota.reasons.closed_gpus import ClosedGpu, GpuFault
from sublet_quota.reasons.obstacles import Unsuspendable

from sublet_agent.cgroups.attribution import Attribution
from sublet_agent.devices.interface import (
    Device,
    DeviceError,
    GpuGoneError,
    GpuMemory,
    ProcessState,
)
from sublet_agent.processes.process_table import ProcessIdentity, ProcessTable

_LOOK_EVERY = timedelta(seconds=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class SampledProcess:
    """A process that a card lists, with what it holds and uses there."""

    identity: ProcessIdentity
    slice_id: SliceId | None
    memory_mib: int | None
    """``None``: the card does not tell."""
    utilisation_percent: int | None
    """``None``: the card does not tell."""
    busy_ms: int | None
    obstacle: Unsuspendable | None
    """Why the process cannot be suspended, where that was looked at in this sample."""
    looked_at: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """The measurements of one card."""

    gpu_id: GpuId
    generation: int
    began: datetime
    """The time until which the sample tells of use."""
    memory: GpuMemory | None
    """The card's memory; ``None``: the card does not say what is on it, for the ``problem``."""
    processes: tuple[SampledProcess, ...]
    alive: frozenset[ProcessIdentity]
    """The known processes that still run."""
    cpu_s: Mapping[ProcessIdentity, float]
    states: Mapping[ProcessIdentity, ProcessState]
    """The states of the known processes that the device was asked for, and told."""
    unknown: frozenset[ProcessIdentity]
    """The processes whose state the device was asked for, and did not tell."""
    utilisation_percent: int | None
    energy_mj: int | None
    temperature_c: int | None = None
    """The temperature of the card's GPU, in degrees Celsius; ``None``: the card does not tell."""
    problem: ClosedGpu | None = None
    """What is wrong with a card that does not say what is on it."""
    away_mib: int | None = None
    """How much of what moves is in host memory, in MiB; ``None`` where that is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleRequest:
    """The card to measure, and of which processes what."""

    gpu_id: GpuId
    generation: int
    began: datetime
    known: Sequence[ProcessIdentity]
    to_look_at: frozenset[ProcessIdentity]
    """Known processes whose last look for obstacles is long ago; new ones are always looked at."""
    ask_states: bool
    untold: frozenset[ProcessIdentity] = frozenset()
    """Known processes of which the device has not said yet how they stand."""
    moving: Sequence[ProcessIdentity] = ()
    at_rest: frozenset[SliceId] = frozenset()
    """The slices of the card none of which is being moved: new processes of them are asked for
    their state at once, or one that an agent before this one left paused would keep a cell waiting.
    """


def is_due(looked_at: datetime | None, now: datetime) -> bool:
    """Whether a process is to be looked at again for what forbids a suspend.

    ``looked_at``: when it was last; ``None`` for never.
    """
    return looked_at is None or now - looked_at >= _LOOK_EVERY


def take_sample(
    device: Device,
    table: ProcessTable,
    attribution: Attribution,
    tenant_of: Callable[[SliceId], str | None],
    request: SampleRequest,
) -> Sample:
    """Return what is measured on one card; of one that does not answer, a sample that says so."""
    alive = frozenset(i for i in request.known if table.is_alive(i))
    cpu_s = {i: seconds for i in alive if (seconds := table.cpu_s(i.pid)) is not None}
    try:
        memory = device.memory(request.gpu_id)
        listed = device.processes(request.gpu_id)
    except DeviceError as error:
        gone = isinstance(error, GpuGoneError)
        fault = GpuFault.GONE if gone else GpuFault.UNREADABLE
        words = f"the card does not answer: {error}" if gone else str(error)
        problem = ClosedGpu(fault, words)
        return Sample(
            gpu_id=request.gpu_id,
            generation=request.generation,
            began=request.began,
            memory=None,
            processes=(),
            alive=alive,
            cpu_s=cpu_s,
            states={},
            unknown=frozenset(),
            utilisation_percent=None,
            energy_mj=None,
            problem=problem,
        )
    known = frozenset(request.known)
    on_card = {p.pid for p in listed}
    # Whoever is not listed has left the GPU, or was suspended: only the device knows which.
    asked = alive if request.ask_states else request.untold
    ask = [i for i in alive if i in asked or i.pid not in on_card]
    processes: list[SampledProcess] = []
    for process in listed:
        identity = table.identify(process.pid)
        if identity is None:
            # Listed, but gone by the time it was looked up.
            continue
        slice_id = attribution.slice_of(identity)
        if identity not in known and slice_id in request.at_rest:
            ask.append(identity)
        looked_at, obstacle = False, None
        if slice_id is not None and (identity not in known or identity in request.to_look_at):
            looked_at, obstacle = _look(device, process.pid, tenant_of(slice_id))
        processes.append(
            SampledProcess(
                identity=identity,
                slice_id=slice_id,
                memory_mib=process.memory_mib,
                utilisation_percent=process.utilisation_percent,
                busy_ms=process.busy_ms,
                obstacle=obstacle,
                looked_at=looked_at,
            )
        )
    states, unknown = _states(device, ask)
    return Sample(
        gpu_id=request.gpu_id,
        generation=request.generation,
        began=request.began,
        memory=memory,
        processes=tuple(processes),
        alive=alive,
        cpu_s=cpu_s,
        states=states,
        unknown=unknown,
        utilisation_percent=device.utilisation_percent(request.gpu_id),
        energy_mj=device.energy_mj(request.gpu_id),
        temperature_c=device.temperature_c(request.gpu_id),
        away_mib=_away_mib(device, request.moving),
    )


def _away_mib(device: Device, moving: Sequence[ProcessIdentity]) -> int | None:
    try:
        away = [device.away_mib(identity.pid) for identity in moving]
    except DeviceError:
        return None
    known = [mib for mib in away if mib is not None]
    return sum(known) if known and len(known) == len(away) else None


def _look(device: Device, pid: int, whose: str | None) -> tuple[bool, Unsuspendable | None]:
    """Return whether a process could be looked at, and what then forbids a suspend."""
    try:
        return True, device.why_not_suspendable(pid, whose)
    except DeviceError:
        return False, None


def _states(
    device: Device, ask: Iterable[ProcessIdentity]
) -> tuple[dict[ProcessIdentity, ProcessState], frozenset[ProcessIdentity]]:
    """Return the states of the processes that have one, and the processes that are unreadable."""
    states: dict[ProcessIdentity, ProcessState] = {}
    unknown: set[ProcessIdentity] = set()
    for identity in ask:
        try:
            state = device.state(identity.pid)
        except DeviceError:
            unknown.add(identity)
            continue
        if state is not None:
            states[identity] = state
    return states, frozenset(unknown)
