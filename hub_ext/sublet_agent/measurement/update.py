"""The step from a sample to what is known of a GPU and its slices.

A sample from before a move's beginning or end says nothing about the memory after it, and is
dropped whole. While a move is in flight, its own slice's processes are left alone.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime

from sublet_quota.names.ids import SliceId
from sublet_quota.residency.cap_watch import CapLevel

from sublet_agent.devices.interface import GpuMemory, ProcessState
from sublet_agent.measurement.sample import Sample, SampledProcess, SampleRequest, is_due
from sublet_agent.processes.process_table import ProcessIdentity
from sublet_agent.residency.activity import ActivitySettings
from sublet_agent.residency.controller import GpuResidency
from sublet_agent.residency.served_gpu import CardReading
from sublet_agent.residency.served_slice import ServedSlice
from sublet_agent.residency.slice_processes import TrackedProcess
from sublet_agent.residency.told_use import use_in_all
from sublet_agent.state_files.journal import Target


@dataclass(slots=True)
class Consequences:
    """The things that follow from a sample, for the loop to do."""

    pause_for_policy: list[Target] = field(default_factory=list)
    """New processes of jobs that are paused."""
    pause_for_slice: list[Target] = field(default_factory=list)
    """New processes of suspended slices."""
    told_of_cap: list[tuple[ServedSlice, CapLevel]] = field(default_factory=list)
    """Slices whose owners are to be told how they stand to their caps."""
    caps_changed: bool = False
    """Whether what is kept of how slices stand to their caps is another."""
    ended: list[ProcessIdentity] = field(default_factory=list)
    found_suspended: list[Target] = field(default_factory=list)
    """Processes that the device says are suspended, although nobody here did it (or nobody lived to
    note it).
    """
    found_paused: list[Target] = field(default_factory=list)
    found_back: list[ProcessIdentity] = field(default_factory=list)
    changed: bool = False
    """Whether there is something that the policy should see at once."""


def request_for(residency: GpuResidency, now: datetime, *, ask_states: bool) -> SampleRequest:
    """Return what to measure on this GPU; ``ask_states`` asks for all processes' states."""
    # The device answers for a process that is being moved only when that is over.
    gpu = residency.gpu
    at_rest: list[TrackedProcess] = []
    moving: list[TrackedProcess] = []
    for served in residency.slices.values():
        kind = moving if gpu.is_moving(served.slice_id) else at_rest
        kind.extend(served.processes)
    due = (p for p in at_rest if not p.suspended and is_due(p.looked_at, now))
    return SampleRequest(
        gpu_id=gpu.gpu.gpu_id,
        generation=gpu.generation,
        began=now,
        known=tuple(p.identity for p in at_rest),
        to_look_at=frozenset(p.identity for p in due),
        ask_states=ask_states,
        untold=frozenset(p.identity for p in at_rest if p.is_untold),
        moving=tuple(p.identity for p in moving),
        at_rest=frozenset(name for name in residency.slices if not gpu.is_moving(name)),
    )


class SampleUpdate:
    """The step from samples of one GPU to what is known of it and of its slices."""

    def __init__(self, residency: GpuResidency, settings: ActivitySettings) -> None:
        self._residency = residency
        self._gpu = residency.gpu
        self._settings = settings

    def absorb(self, sample: Sample, now: datetime, monotonic: float) -> Consequences | None:
        """Take a sample over, and return what follows from it; ``None`` when it is stale."""
        if sample.generation != self._gpu.generation:
            return None
        effects = Consequences()
        listed: set[ProcessIdentity] = set()
        if sample.memory is not None:
            listed = self._note_listed(sample, sample.memory, effects, now)
        for served in tuple(self._residency.slices.values()):
            if not self._gpu.is_moving(served.slice_id):
                self._note_states(served, sample, effects)
                self._note_the_dead(served, sample, listed, effects)
                self._note_cap(served, effects, now)
            self._note_cpu(served, sample, now, monotonic)
        self._note_overhead(sample)
        self._note_move(sample)
        return effects

    def _note_listed(
        self, sample: Sample, memory: GpuMemory, effects: Consequences, now: datetime
    ) -> set[ProcessIdentity]:
        """Take over which processes are on the card; return those of its slices."""
        listed: set[ProcessIdentity] = set()
        foreign: dict[int, int | None] = {}
        foreign_use: list[int | None] = []
        strays: set[SliceId] = set()
        canary_mib = 0
        for process in sample.processes:
            if self._gpu.is_canary(process.identity):
                canary_mib = process.memory_mib or 0
                continue
            served = self._slice_of(process)
            if served is None:
                foreign[process.identity.pid] = process.memory_mib
                foreign_use.append(process.utilisation_percent)
                if process.slice_id is not None:
                    strays.add(process.slice_id)
                continue
            listed.add(process.identity)
            if not self._gpu.is_moving(served.slice_id):
                at_rest = self._without_what_left(served, process, sample)
                if at_rest is not None:
                    is_unknown = process.identity in sample.unknown
                    self._note_process(served, at_rest, effects, now, is_unknown=is_unknown)
        reading = CardReading(
            memory=memory,
            utilisation_percent=sample.utilisation_percent,
            energy_mj=sample.energy_mj,
            temperature_c=sample.temperature_c,
            foreign=foreign,
            foreign_percent=use_in_all(foreign_use),
            strays=frozenset(strays),
            measured_until=sample.began,
            read_by=now,
            canary_mib=canary_mib,
        )
        effects.changed |= self._gpu.read(reading)
        return listed

    def _without_what_left(
        self, served: ServedSlice, process: SampledProcess, sample: Sample
    ) -> SampledProcess | None:
        """Return a listed process; one that has left since says nothing of how much it held.

        ``None``: those left behind are looked for now, and it is one of them.
        """
        left = sample.states.get(process.identity) is ProcessState.SUSPENDED
        if not left or served.processes.find(process.identity) is not None:
            return process
        if self._residency.is_being_looked_for(served.slice_id):
            return None
        return replace(process, memory_mib=None)

    def _slice_of(self, process: SampledProcess) -> ServedSlice | None:
        if process.slice_id is None:
            return None
        # A process of a slice of another GPU is as foreign here as any.
        return self._residency.slices.get(process.slice_id)

    def _note_process(
        self,
        served: ServedSlice,
        sampled: SampledProcess,
        effects: Consequences,
        now: datetime,
        *,
        is_unknown: bool,
    ) -> None:
        process = served.processes.find(sampled.identity)
        if process is None:
            process = self._note_birth(served, sampled, effects, now)
            if is_unknown:
                process.note_untold()
        if served.paused or served.processes.away():
            effects.changed |= process.memory_mib != sampled.memory_mib
        process.note_measured(sampled.memory_mib, sampled.utilisation_percent)
        if sampled.looked_at:
            effects.changed |= process.note_look(sampled.obstacle, now)
        self._note_use(served, process, sampled, now)

    def _note_birth(
        self, served: ServedSlice, sampled: SampledProcess, effects: Consequences, now: datetime
    ) -> TrackedProcess:
        process = served.processes.track(sampled.identity, busy_ms=sampled.busy_ms)
        effects.changed = True
        if served.processes.away():
            served.activity_record.wakes(now)
            effects.pause_for_slice.extend(served.targets([process]))
        elif served.paused:
            effects.pause_for_policy.extend(served.targets([process]))
        if sampled.busy_ms:
            served.activity_record.gpu_is_used(now, self._gpu.reading.measured_until)
        return process

    def _note_use(
        self, served: ServedSlice, process: TrackedProcess, sampled: SampledProcess, now: datetime
    ) -> None:
        # The sample is not taken over yet: that is when it was measured before.
        before = self._gpu.reading.measured_until
        if sampled.busy_ms is not None:
            used_ms = process.count_use(sampled.busy_ms)
            if used_ms > 0:
                served.note_use(used_ms, now, before)
        elif sampled.utilisation_percent is not None:
            served.count_gpu_time(process.count_utilisation(sampled.utilisation_percent, now))
            # Paused, it is the second before that the utilisation still speaks of.
            if sampled.utilisation_percent > 0 and not served.paused:
                served.activity_record.gpu_is_used(now, before)

    def _note_states(self, served: ServedSlice, sample: Sample, effects: Consequences) -> None:
        """Take over what the device says of processes: that beats what is believed here."""
        for process in served.processes:
            state = sample.states.get(process.identity)
            if state is not None and process.is_untold:
                process.note_told()
                effects.changed = True
            if state is ProcessState.SUSPENDED and not process.suspended:
                process.goes_away(served.room_for(process))
                effects.found_suspended.extend(served.targets([process]))
                effects.changed = True
            elif state is ProcessState.SUSPENDED and process.memory_mib != 0:
                process.note_measured(0, process.utilisation_percent)
                effects.changed = True
            elif state is ProcessState.RUNNING and served.paused and not process.suspended:
                # Born meanwhile, and the call that should have paused it did not work.
                effects.pause_for_policy.extend(served.targets([process]))
            elif state is ProcessState.PAUSED and not served.paused and not served.processes.away():
                effects.found_paused.extend(served.targets([process]))
            elif (
                state in (ProcessState.RUNNING, ProcessState.PAUSED)
                and process.suspended
                and process.lost is None
            ):
                process.comes_back()
                effects.found_back.append(process.identity)
                effects.changed = True

    def _note_the_dead(
        self,
        served: ServedSlice,
        sample: Sample,
        listed: set[ProcessIdentity],
        effects: Consequences,
    ) -> None:
        for process in served.processes:
            dead = process.identity not in sample.alive and process.identity not in listed
            # A process that runs on without a context has nothing more to be looked after.
            left = (
                sample.memory is not None
                and not process.suspended
                and process.lost is None
                and process.identity not in listed
                and process.identity not in sample.unknown
            )
            if dead or left:
                served.processes.forget(process.identity)
                effects.changed = True
                if dead:
                    effects.ended.append(process.identity)

    def _note_cpu(
        self, served: ServedSlice, sample: Sample, now: datetime, monotonic: float
    ) -> None:
        for process in served.processes:
            used = sample.cpu_s.get(process.identity)
            share = None if used is None else process.cpu_share(used, monotonic)
            if share is not None and share >= self._settings.wake_cpu_share:
                served.activity_record.wakes(now)

    def _note_cap(self, served: ServedSlice, effects: Consequences, now: datetime) -> None:
        check = served.check_cap(now)
        effects.changed |= check.changed
        effects.caps_changed |= check.kept
        if check.told is not None:
            effects.told_of_cap.append((served, check.told))

    def _note_move(self, sample: Sample) -> None:
        move = self._gpu.move
        if move is not None and sample.away_mib is not None:
            move.note_away(sample.away_mib)

    def _note_overhead(self, sample: Sample) -> None:
        told = [p.memory_mib for p in sample.processes if p.memory_mib is not None]
        everything_is_told = len(told) == len(sample.processes)
        if sample.memory is not None and self._gpu.move is None and everything_is_told:
            self._gpu.note_unaccounted(sum(told))
