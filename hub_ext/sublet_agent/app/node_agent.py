"""The agent of one node, put together: devices, recovery, residency, tenants, the hub service."""

import asyncio
import importlib.metadata
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from sublet_quota.names.ids import GpuId, SliceId
from sublet_quota.wire.agent_link import Assignments, Hello, SliceAssignment, Status

from sublet_agent.app.served_cards import CardTools, serve_cards
from sublet_agent.app.settings import AgentSettings
from sublet_agent.app.upkeep import Upkeep, UpkeepTools
from sublet_agent.cgroups.attribution import Attribution
from sublet_agent.cgroups.node_groups import node_groups
from sublet_agent.clock import Clock
from sublet_agent.device_plugin.lendable import rooms_of
from sublet_agent.device_plugin.settings import DevicePluginSettings
from sublet_agent.devices.interface import Device
from sublet_agent.errors import JournalError
from sublet_agent.fitness.card_checks import CardCheck, FitnessTools
from sublet_agent.hub_link.connection import ServiceLink
from sublet_agent.hub_link.reports import Sent, record_recovery, report_status
from sublet_agent.measurement.loop import SamplingLoop, SamplingTools
from sublet_agent.moves.driver_limits import DriverLimits
from sublet_agent.moves.host_memory import HostMemory, machine_available_mib, room_in_limits_mib
from sublet_agent.moves.pausing import PausedProcesses, PauseReason
from sublet_agent.moves.plan import MoveTools
from sublet_agent.moves.recovery import recover
from sublet_agent.processes.process_table import LinuxProcessTable
from sublet_agent.residency.card_changes import CardChanges, CardChangeTools
from sublet_agent.residency.controller import GpuResidency, ResidencyTools
from sublet_agent.residency.eviction import Eviction
from sublet_agent.residency.left_behind import LeftBehind, LeftBehindTools
from sublet_agent.residency.registry import SliceRegistry
from sublet_agent.residency.snapshots import NodeConditions
from sublet_agent.state_files.assignments import AssignmentsFile
from sublet_agent.state_files.canary_verdicts import CanaryVerdicts
from sublet_agent.state_files.cap_watches import CapWatchesFile
from sublet_agent.state_files.event_log import EventLog
from sublet_agent.state_files.failed_gpus import FailedGpus
from sublet_agent.state_files.journal import Journal, Step, Target
from sublet_agent.state_files.moved_slices import MovedSlices
from sublet_agent.state_files.open_gates import OpenGatesFile
from sublet_agent.tenants.request_handler import TenantRequests
from sublet_agent.tenants.server import TenantSocket

try:
    VERSION: Final = importlib.metadata.version("sublet")
except importlib.metadata.PackageNotFoundError:  # run from a source tree that was not installed
    VERSION = "0"  # type: ignore[misc]
JOURNAL_NAME: Final = "journal.jsonl"
_HOST_RESERVE_MIB: Final = 2048
_SIMULATED_HOST_MIB: Final = 16 * 1024 * 1024

log = logging.getLogger(__name__)


class NodeAgent:
    """The parts of an agent's process, connected."""

    def __init__(
        self, settings: AgentSettings, device: Device, table: LinuxProcessTable, clock: Clock
    ) -> None:
        self._settings = settings
        self._device = device
        self._table = table
        self._clock = clock
        self._calls = ThreadPoolExecutor(8, "calls")
        self._device_calls = ThreadPoolExecutor(16, "device")
        self._samples = ThreadPoolExecutor(4, "samples")
        self._groups = node_groups(settings.groups, settings.node, settings.state_folder, table)
        self._attribution = Attribution(table, self._groups.book.slice_at)
        self._journal = Journal(settings.state_folder / JOURNAL_NAME)
        self._event_log = EventLog(
            settings.state_folder / "events.jsonl",
            clock,
            lambda write: asyncio.get_running_loop().call_soon(write),
        )
        self._kept = AssignmentsFile(settings.state_folder / "assignments.json")
        self._assignments = self._kept.load()
        self._open_gates = OpenGatesFile(settings.state_folder / "open-gates.json")
        self._cap_watches = CapWatchesFile(settings.state_folder / "cap-watches.json")
        self._closed = FailedGpus(settings.state_folder / "closed-gpus.json", table.boot_id)
        self._paused_processes = PausedProcesses(
            device, self._journal, table, self._device_calls, settings.compute_turns.lease_s
        )
        self._link: ServiceLink | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._looks: list[asyncio.Task[None]] = []
        """The searches for processes that were left behind: one, but where some are nobody's."""
        self._moves = self._make_moves()
        self._residencies: dict[GpuId, GpuResidency] = {}
        self._moved = MovedSlices(settings.state_folder / "moved-slices.json", table.boot_id)
        self._registry = SliceRegistry(
            self._residencies, self._attribution, table, settings.activity, self._moved
        )
        self._left_behind = LeftBehind(
            self._registry,
            LeftBehindTools(
                moves=self._moves,
                attribution=self._attribution,
                looks=self._samples,
                calls=self._calls,
                clock=clock,
                record=self._event_log.record,
                found=lambda found: record_recovery(self._event_log.record, found),
                thaw=self._groups.thaw_left,
            ),
        )
        self._card_changes = CardChanges(
            self._registry,
            CardChangeTools(
                moves=self._moves,
                looks=self._samples,
                clock=clock,
                record=self._event_log.record,
                may_begin=self._is_told,
                is_unclear=self._left_behind.is_unclear,
                changed=self._card_changed,
            ),
        )
        self._samplers: dict[GpuId, SamplingLoop] = {}
        self._checks: list[CardCheck] = []
        self._tenant_requests = TenantRequests(self._registry, self._attribution, table, clock)
        self._socket = TenantSocket(
            settings.tenant_socket, self._tenant_requests, table, settings.socket
        )

    async def start(self) -> None:
        """Recover what an agent before this one left, then serve; whom it froze is thawed."""
        self._make_residencies()
        now = self._clock.now()
        self._believe_who_is_bound()
        slices = self._slices()
        await asyncio.to_thread(self._groups.serve, self._slices)
        self._attribution.serve(slices)
        if self._assignments is not None:
            self._registry.apply(self._assignments, now)
        before = self._registry.where_they_were(self._assigned())
        recovered = await asyncio.to_thread(recover, self._moves, self._attribution, before)
        self._registry.adopt(recovered, now)
        if self._assignments is not None:
            self._registry.apply(self._assignments, now)
        self._registry.keep_cards()
        self._left_behind.begin(self._assigned())
        record_recovery(self._event_log.record, recovered)
        assigned = {s.slice_id for _, s in self._registry.assigned()}
        self._registry.recall_caps(self._cap_watches.load(assigned))
        # Before anybody is let in: what is on the cards must be known to decide.
        await asyncio.gather(*(s.sample_once() for s in self._samplers.values()))
        await asyncio.gather(*(check.look() for check in self._checks))
        now = self._clock.now()
        self._registry.keep_promises(self._open_gates.load(self._residencies), now)
        for residency in self._residencies.values():
            residency.begin()
        await self._socket.start()
        self._begin_tasks()

    async def stop(self) -> None:
        """Begin nothing more, finish or undo the moves in flight, and let go."""
        await self._socket.stop()
        await asyncio.to_thread(self._tenant_requests.close)
        await _end((*self._tasks, *self._looks))
        await asyncio.gather(*(check.stop() for check in self._checks))
        await asyncio.gather(*(r.stop() for r in self._residencies.values()))
        for pool in (self._calls, self._device_calls, self._samples):
            pool.shutdown(wait=True, cancel_futures=True)
        await asyncio.to_thread(self._groups.keeper.leave)
        self._event_log.close()
        self._open_gates.close()
        self._journal.close()

    def _make_moves(self) -> MoveTools:
        budget = self._settings.host_memory_mib
        simulated = self._device.simulated
        # Simulated images are small in truth: the machine's own memory says nothing about them.
        if budget is None and simulated:
            budget = _SIMULATED_HOST_MIB
        return MoveTools(
            device=self._device,
            journal=self._journal,
            paused_processes=self._paused_processes,
            table=self._table,
            host=HostMemory(
                budget,
                (lambda: None) if simulated else (lambda: machine_available_mib(_HOST_RESERVE_MIB)),
            ),
            whose=self._whose,
            own_limit_mib=(lambda _: None) if simulated else self._room_in_limits_mib,
            monotonic=self._clock.monotonic,
            settings=self._settings.moves,
            freezer=self._groups.freezer,
            limits=DriverLimits(self._device.memory_limits, self._groups.book.of),
            tenant_of=self._tenant_of,
        )

    def _room_in_limits_mib(self, pid: int) -> int | None:
        return room_in_limits_mib(pid, *self._groups.limits_of(pid))

    def _believe_who_is_bound(self) -> None:
        """Take over who was to come back on another card: from the journal, if it is not lost."""
        missing = self._moved.missing_in(self._journal.entries())
        try:
            self._journal.write(
                Step.SUSPENDED, [t for t in missing if self._table.is_alive(t.identity)]
            )
        except JournalError as error:
            log.warning("%s", error)
        entries = self._journal.entries()
        self._moved.believe(e for e in entries if self._table.is_alive(e.target.identity))

    def _assigned(self) -> Sequence[SliceAssignment]:
        return self._assignments.slices if self._assignments is not None else ()

    def _slices(self) -> Sequence[SliceAssignment]:
        return self._registry.where_they_are(self._assigned())

    def _whose(self, pid: int, gpu_id: GpuId) -> Target | None:
        return self._registry.whose(pid, gpu_id)

    def _tenant_of(self, slice_id: SliceId) -> str | None:
        return self._registry.tenant_of(slice_id)

    def _make_residencies(self) -> None:
        eviction = Eviction(
            self._table, self._paused_processes, self._calls, self._settings.evict_grace_s
        )
        tools = ResidencyTools(
            moves=self._moves,
            calls=self._calls,
            clock=self._clock,
            record=self._event_log.record,
            changed=self._tell,
            lending=self._lending,
            eviction=eviction,
            open_gates=self._open_gates,
            compute_turns=self._settings.compute_turns,
            is_being_looked_for=self._left_behind.is_being_looked_for,
        )
        sampler_tools = SamplingTools(
            moves=self._moves,
            attribution=self._attribution,
            calls=self._calls,
            samples=self._samples,
            clock=self._clock,
            record=self._event_log.record,
            changed=self._tell,
            activity=self._settings.activity,
            cap_watches=self._cap_watches,
            period_s=self._settings.sample_period_s,
        )
        fitness_tools = FitnessTools(
            moves=self._moves,
            table=self._table,
            samples=self._samples,
            clock=self._clock,
            changed=self._tell,
            verdicts=CanaryVerdicts(
                self._settings.state_folder / "canaries.json", self._table.boot_id
            ),
            limits=self._settings.canary,
        )
        cards = serve_cards(
            self._settings.served(self._device.gpus()),
            CardTools(
                device=self._device,
                residency=tools,
                sampling=sampler_tools,
                fitness=fitness_tools,
                closed=self._closed.reasons,
                first_mib_per_s=float(self._settings.first_suspend_mib_per_s),
                move_ended=self._card_changes.move_ended,
            ),
        )
        self._residencies.update(cards.residencies)
        self._samplers.update(cards.samplers)
        self._checks.extend(cards.checks)

    def _begin_tasks(self) -> None:
        loops = [s.run() for s in self._samplers.values()]
        loops += [check.run() for check in self._checks]
        upkeep = Upkeep(
            UpkeepTools(
                device=self._device,
                looks=self._samples,
                clock=self._clock,
                samplers=self._samplers,
                closed=self._closed,
                registry=self._registry,
                attribution=self._attribution,
                journal=self._journal,
                groups=self._groups,
                slices=self._slices,
                left_behind=self._left_behind,
            )
        )
        loops += [upkeep.watch_health(), upkeep.keep_house(), self._card_changes.run()]
        if self._settings.link is not None:
            self._link = ServiceLink(
                settings=self._settings.link,
                hello=self._hello,
                event_log=self._event_log,
                clock=self._clock,
                status=self._status,
                assigned=self._assign,
            )
            loops.append(self._link.run())
        if self._settings.device_plugin is not None:
            loops.append(self._advertise(self._settings.device_plugin))
        self._tasks = [asyncio.create_task(loop) for loop in loops]

    def _hello(self, nonce: str) -> Hello:
        return Hello(
            node=self._settings.node, boot_id=self._table.boot_id, version=VERSION, nonce=nonce
        )

    def _lending(self) -> bool:
        """Whether slices may be lent: not against an admin's word, nor without any word."""
        fresh = self._fresh_word()
        return fresh is not None and fresh.lending

    def _is_told(self) -> bool:
        """Whether the service's word is there, and fresh."""
        return self._fresh_word() is not None

    def _fresh_word(self) -> Assignments | None:
        """Return what the service said last; ``None``: nothing, or it has been silent since."""
        is_silent = self._link is not None and self._link.silent
        return None if is_silent else self._assignments

    def _card_changed(self) -> None:
        self._tell()
        asyncio.get_running_loop().run_in_executor(self._calls, self._groups.serve, self._slices)

    def _tell(self) -> None:
        if self._link is not None:
            self._link.tell()

    def _assign(self, assignments: Assignments) -> None:
        self._assignments = assignments
        self._kept.keep(assignments)
        released = self._registry.apply(assignments, self._clock.now())
        loop = asyncio.get_running_loop()
        served = loop.run_in_executor(self._calls, self._groups.serve, self._slices)
        look = self._left_behind.assigned(assignments)
        if look is not None:
            self._looks.append(loop.create_task(self._look_for_left_behind(served, look)))
        if released:
            loop.run_in_executor(
                self._calls, self._paused_processes.release, released, PauseReason.POLICY
            )
        self._card_changes.look_again()
        for residency in self._residencies.values():
            residency.poke()

    async def _look_for_left_behind(
        self, served: asyncio.Future[None], look: Callable[[], Awaitable[None]]
    ) -> None:
        # Whose a pod's processes are, the groups tell.
        await served
        await look()
        self._tell()

    def _view(self) -> NodeConditions:
        return NodeConditions(
            self._clock.now(),
            lending=self._lending(),
            margin_mib=self._settings.moves.margin_mib,
            host_free_mib=self._moves.host.free_mib(),
            host_in_all_mib=self._moves.host.in_all_mib(),
            ahead=self._clock.ahead(),
        )

    async def _advertise(self, settings: DevicePluginSettings) -> None:
        # An extra brings its packages.
        from sublet_agent.device_plugin.kubelet import DevicePlugin  # noqa: PLC0415

        plugin = DevicePlugin(
            settings,
            lambda: rooms_of(self._residencies.values(), self._view()),
            simulated=self._device.simulated,
        )
        await plugin.run()

    def _status(self, epoch: int, sequence: int, acknowledged: int) -> Status:
        sent = Sent(epoch, sequence, acknowledged)
        return report_status(sent, self._registry, self._view(), self._groups.unfrozen_on)


async def _end(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancel tasks until all have ended: libraries may swallow a cancellation."""
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=1)
