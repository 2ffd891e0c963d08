"""A random walk over owners, jobs, faults and deaths of the agent, judged by the daemon.

What happens is drawn from a seed; when it happens is up to the machine, so the same seed gives
the same story but not the same instants. The outcome is never asked of the agent: contents are
hashed by the daemon and by the programs themselves.
"""

import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from sublet_agent.app.watchdog import let_owners_run
from sublet_agent.cgroups.groups_file import thaw_left_over
from sublet_agent.cgroups.node_groups import GROUPS_NAME
from sublet_agent.moves.thawing import thaw_after_moves
from sublet_agent.processes.process_table import LinuxProcessTable
from sublet_agent.simulated.machine.operations import OperationKind
from sublet_agent.simulated.protocol.errors import CudaCode
from sublet_agent.state_files.journal import read_journal
from sublet_quota.wire.agent_link import SliceAssignment

from tests.support.control_groups import freezers, leave_no_groups
from tests.support.fake_service_link import FakeServiceLink, gpu_assignment, slice_assignment
from tests.support.left_over_groups import note_groups
from tests.support.nursery import NurserySprout, nursery
from tests.support.simulated_gpus import SimulatedGpus
from tests.support.walk_tenants import WalkRoot, WalkSlice, WalkTenant

_LEAST_STEPS = 100
_LOOK_EVERY = 100
CONTEXT_MIB = 512
MIB = 1024
_OPERATIONS = (
    OperationKind.LOCK,
    OperationKind.CHECKPOINT,
    OperationKind.RESTORE,
    OperationKind.UNLOCK,
)


class ViolationError(AssertionError):
    """Something that must never happen."""


@dataclass
class FaultWalk:
    """The walk."""

    gpus: SimulatedGpus
    service: FakeServiceLink
    folder: Path
    seed: int
    options: tuple[str, ...] = ()
    greedy: bool = False
    """Cells that ended leave a thread behind, which takes and frees memory when it likes; and in
    every owner's slice somebody starts processes for ever that take memory when they are born.
    Nobody can be promised anything then: running out of memory is no finding, losing bytes is."""
    steps: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    slices: list[WalkSlice] = field(default_factory=list)
    agent: NurserySprout | None = None

    def __post_init__(self) -> None:
        self.rng = random.Random(self.seed)  # noqa: S311 - a walk, not a secret
        self.gpu_id = self.gpus.gpu_id
        self.table = LinuxProcessTable()
        self._jobs = 0
        self.longest_cell_s = 0.0
        note_groups("node-1", str(self._groups.resolve()))
        (self.folder / "secret").write_text(self.service.secret)

    def close(self) -> None:
        self.kill_agent()
        thaw_left_over(self._groups)
        for each in self.slices:
            each.end()
        leave_no_groups(self._groups)

    @property
    def journal(self) -> Path:
        return self.folder / "state" / "journal.jsonl"

    @property
    def _rest(self) -> Path:
        return self.folder / "rest"

    @property
    def _groups(self) -> Path:
        return self.folder / "state" / GROUPS_NAME

    def begin(self) -> None:
        """Three owners whose caps are twice the card's memory, and room for one job."""
        self.slices = [
            WalkSlice("own-a", 60 * MIB, job=False, most_tenants=2),
            WalkSlice("own-b", 50 * MIB, job=False),
            WalkSlice("own-c", 48 * MIB, job=False, most_tenants=2),
        ]
        self.service.gpus = (
            gpu_assignment(
                self.gpu_id,
                idle_after_s=0.3,
                turn_s=0.15,
                lend_at_least_s=0.1,
                give_back_within_s=600.0,
            ),
        )
        for each in self.slices:
            self._open(each)
        self._assign()
        self.start_agent()

    def run(self, for_s: float) -> None:
        """Walk so long, and a few steps at least; now and then stop and look whether all is well.

        The looks take their own time: what they wait for must happen, however long it takes.
        """
        walked_s = 0.0
        while walked_s < for_s or self.steps < _LEAST_STEPS:
            began = time.monotonic()
            self.step()
            self.steps += 1
            walked_s += time.monotonic() - began
            if self.steps % _LOOK_EVERY == 0:
                self.calm_down()
        if self.steps % _LOOK_EVERY:
            self.calm_down()

    def step(self) -> None:
        moves: list[tuple[int, Callable[[], None]]] = [
            (40, self._owner_runs_a_cell),
            (6, self._owner_opens_a_kernel),
            (2, self._kernel_dies),
            (4, self._job_comes),
            (1, self._job_goes),
            (5, self._fault_is_planned),
            (3, self._agent_dies),
            (3, self._agent_dies_after_a_journal_write),
            (4, self._agent_dies_in_a_device_call),
            (2, self._lending_is_switched),
            (40, self._time_passes),
            (3, self._owners_rest),
        ]
        chosen = self.rng.choices([m for _, m in moves], [w for w, _ in moves])[0]
        self.counts[chosen.__name__.strip("_")] += 1
        chosen()
        self.look_at_answers()
        self.job_starts_if_it_may()

    # What happens

    def _owner_runs_a_cell(self) -> None:
        kernels = [t for s in self.slices if not s.job for t in s.tenants if t.busy_since is None]
        if kernels:
            kernel = self.rng.choice(kernels)
            kernel.cells += 1
            kernel.tell(f"cell {kernel.pid}-{kernel.cells}")

    def _owner_opens_a_kernel(self) -> None:
        short = [s for s in self.slices if not s.job and len(s.tenants) < s.most_tenants]
        if short:
            each = self.rng.choice(short)
            cap_mib = each.cap_mib // each.most_tenants - CONTEXT_MIB - 64
            each.tenants.append(self._tenant(each, cap_mib))

    def _kernel_dies(self) -> None:
        several = [s for s in self.slices if not s.job and s.tenants]
        if several:
            each = self.rng.choice(several)
            each.tenants.pop(self.rng.randrange(len(each.tenants))).kill()

    def _job_comes(self) -> None:
        if not any(s.job for s in self.slices):
            self._jobs += 1
            cap_mib = self.rng.choice((20, 40, 70)) * MIB
            self.slices.append(WalkSlice(f"job-{self._jobs}", cap_mib, job=True))
            self._assign()

    def job_starts_if_it_may(self) -> None:
        """The service starts a job when the agent says that its gate is open.

        It makes its context, and takes memory once the agent has seen it: who takes all of it at
        once, as an owner comes, can be too quick for being paused (grabbers of greedy walks are).
        """
        for each in self.slices:
            report = self.service.report(each.slice_id) if each.job else None
            if report is not None and report.gate_open and not each.tenants:
                self._open(each)
                self._assign()
                tenant = self._tenant(each, each.cap_mib - CONTEXT_MIB - 64)
                tenant.tell("begin")
                each.tenants.append(tenant)
                self.counts["job started"] += 1
            for tenant in each.tenants if report is not None and report.memory_mib else ():
                if not tenant.works:
                    tenant.works = True
                    tenant.tell("job")

    def _job_goes(self) -> None:
        for each in [s for s in self.slices if s.job]:
            if not each.tenants and self.rng.random() < 0.7:
                continue
            each.end()
            self.slices.remove(each)
            self._assign()

    def _fault_is_planned(self) -> None:
        kind = self.rng.choice(_OPERATIONS)
        if self.rng.random() < 0.5:
            self.gpus.administration.fail(
                kind, CudaCode.ILLEGAL_STATE, nth=self.rng.randrange(1, 4)
            )
        else:
            self.gpus.administration.delay(kind, self.rng.random() * 0.05)

    def _lending_is_switched(self) -> None:
        self.service.lending = self.rng.random() < 0.8
        self.service.push()

    def _time_passes(self) -> None:
        time.sleep(self.rng.choice((0.001, 0.01, 0.03)))

    def _owners_rest(self) -> None:
        """Nobody runs anything for a while: slices get idle, and a job may have them."""
        until = time.monotonic() + self.rng.choice((0.35, 0.6))
        while time.monotonic() < until:
            self.look_at_answers()
            self.job_starts_if_it_may()
            time.sleep(0.01)

    def _agent_dies(self) -> None:
        time.sleep(self.rng.random() * 0.03)
        self.kill_agent()
        self._rise_again()

    def _agent_dies_after_a_journal_write(self) -> None:
        """Kill it as soon as the journal grew by a few lines, around the device call after."""
        size, lines = self._journal_size(), self.rng.randrange(1, 8)
        self._something_for_the_agent()
        deadline = time.monotonic() + 0.25
        while time.monotonic() < deadline:
            if self._journal_size() >= size + lines * 200:
                self.counts["killed at a journal write"] += 1
                break
            time.sleep(0.0002)
        self.kill_agent()
        self._rise_again()

    def _agent_dies_in_a_device_call(self) -> None:
        """Hold the next operation of a kind, and kill the agent while it is under way."""
        kind = self.rng.choice(_OPERATIONS)
        self.gpus.administration.delay(kind, 0.06)
        self._something_for_the_agent()
        deadline = time.monotonic() + 0.3
        while time.monotonic() < deadline:
            under_way = {p.operation for p in self.gpus.administration.inspect().processes}
            if kind.value in under_way:
                self.counts[f"killed in {kind.value}"] += 1
                break
            time.sleep(0.001)
        # Before, at, or after the end of what was held.
        time.sleep(self.rng.choice((0.0, 0.0, 0.055, 0.06, 0.07)))
        self.kill_agent()
        self._rise_again()

    def _rise_again(self) -> None:
        if self.rng.random() < 0.5:
            self.counts["watchdog let owners run"] += 1
            entries = read_journal(self.journal)
            thaw_after_moves(self._groups, entries, self.gpus.device, self.table)
            let_owners_run(self.journal, self.gpus.device, self.table)
        time.sleep(self.rng.choice((0.0, 0.0, 0.02)))
        self.start_agent()
        # It must get somewhere before it dies again.
        time.sleep(self.rng.choice((0.0, 0.05, 0.15)))

    def _something_for_the_agent(self) -> None:
        for _ in range(2):
            self._owner_runs_a_cell()

    # Looking

    def look_at_answers(self) -> None:
        for each in self.slices:
            for tenant in each.tenants:
                since = tenant.busy_since
                for answer in tenant.hear():
                    if "error" in answer:
                        message = f"{each.slice_id}, process {tenant.pid}: {answer['error']}"
                        raise ViolationError(message)
                    self.counts["cells done" if "cell" in answer else "kernels ready"] += 1
                    if since is not None:
                        self.longest_cell_s = max(self.longest_cell_s, time.monotonic() - since)
                if tenant.has_ended:
                    message = f"{each.slice_id}: process {tenant.pid} has ended by itself"
                    raise ViolationError(message)

    def calm_down(self) -> None:
        """No more faults, deaths and grabs: now all must get on, with every byte in place."""
        self._rest.touch()
        self.gpus.administration.clear_faults()
        self.service.lending = True
        self.service.push()
        self._nothing_is_lost()
        # Who found no room again and again, because of grabs, is tried ever later.
        within_s = 90.0 if self.greedy else 30.0
        self._wait("every cell ends", self._no_cell_runs, within_s)
        for each in self.slices:
            for kernel in [] if each.job else each.tenants:
                kernel.cells += 1
                kernel.tell(f"cell {kernel.pid}-{kernel.cells}")
                self._wait(f"a cell of {each.slice_id} ends", self._no_cell_runs, within_s)
        self._nothing_is_lost(verify=True)
        self._wait("no owner's process is left locked", self._no_owner_is_locked, 10.0)
        if any(s.job for s in self.slices):
            self._wait("the job gets on while all are idle", self._a_job_computes, within_s)
        self.counts["looked"] += 1
        self._rest.unlink()

    def _nothing_is_lost(self, *, verify: bool = False) -> None:
        truth = self.gpus.administration.inspect(verify=verify)
        if truth.lost:
            message = f"lost: {truth.lost}"
            raise ViolationError(message)
        for process in truth.processes:
            if any(b.intact is False for b in process.buffers):
                message = f"lost: bytes are not what they were: {process}"
                raise ViolationError(message)

    def _no_cell_runs(self) -> bool:
        self.look_at_answers()
        self.job_starts_if_it_may()
        return all(t.busy_since is None for s in self.slices if not s.job for t in s.tenants)

    def _no_owner_is_locked(self) -> bool:
        owners = {t.pid for s in self.slices if not s.job for t in s.tenants}
        truth = self.gpus.administration.inspect()
        return not any(p.state == "locked" for p in truth.processes if p.pid in owners)

    def _a_job_computes(self) -> bool:
        self.job_starts_if_it_may()
        jobs = {t.pid for s in self.slices if s.job for t in s.tenants}
        first = {p.pid: p.busy_ms for p in self.gpus.administration.inspect().processes}
        time.sleep(0.05)
        self.look_at_answers()
        now = {p.pid: p.busy_ms for p in self.gpus.administration.inspect().processes}
        return any(now.get(pid, 0) > first.get(pid, 0) for pid in jobs)

    def _wait(self, what: str, holds: Callable[[], bool], within_s: float) -> None:
        deadline = time.monotonic() + within_s
        while not holds():
            if time.monotonic() > deadline:
                self._nothing_is_lost()
                truth = self.gpus.administration.inspect()
                state = "\n".join(
                    f"  {p.pid} {p.state} {p.operation} {p.held_mib} MiB, {p.waiting_calls} wait"
                    for p in truth.processes
                )
                message = f"not within {within_s} s: {what}\n{state}\n{self.service.status}"
                raise ViolationError(message)
            time.sleep(0.003)

    # Agent and tenants

    def start_agent(self) -> None:
        argv = [
            f"--service-url={self.service.url}",
            f"--secret-file={self.folder / 'secret'}",
            "--node=node-1",
            f"--state-folder={self.folder / 'state'}",
            f"--tenant-socket={self.folder / 'run' / 'agent.sock'}",
            "--device=simulated",
            f"--simulated-socket={self.gpus.socket}",
            "--SubletAgent.tick_s=0.02",
            # A cell that was held up for longer than idle_after may stand in a GPU call.
            "--SubletAgent.busy_wakes_after_s=0.1",
            *self.options,
        ]
        with (self.folder / "agent.log").open("ab") as log:
            handle = log.fileno()
            self.agent = nursery().start("sublet_agent.app.serving", argv, handle, handle)
        self.counts["agent started"] += 1

    def kill_agent(self) -> None:
        agent, self.agent = self.agent, None
        if agent is None:
            return
        if agent.poll() is not None:
            message = f"the agent ended by itself: see {self.folder / 'agent.log'}"
            raise ViolationError(message)
        agent.kill()
        agent.wait()

    def _open(self, each: WalkSlice) -> None:
        """Start the slice's first process, which starts all others in it."""
        each.root = WalkRoot(
            {
                "SUBLET_SLICE_ID": each.slice_id,
                "SUBLET_AGENT_SOCKET": str(self.folder / "run" / "agent.sock"),
                "SUBLET_SIMULATED_SOCKET": str(self.gpus.socket),
                "WALK_MEMORY_MAY_RUN_OUT": "yes" if self.greedy else "",
                "WALK_GREEDY": "yes" if self.greedy and not each.job else "",
            }
        )
        # Without a freezer they would lose somebody's memory sooner or later.
        if self.greedy and not each.job and freezers(self.folder):
            self.counts["grabbers"] += 1
            each.root.grabber(
                WALK_CAP_MIB=str(each.cap_mib // 3),
                WALK_SEED=f"{self.seed} {each.slice_id}",
                WALK_GRAB_EVERY_S="0.05",
                WALK_REST=str(self._rest),
            )

    def _tenant(self, each: WalkSlice, cap_mib: int) -> WalkTenant:
        assert each.root is not None
        return each.root.tenant(
            WALK_CAP_MIB=str(cap_mib), WALK_SEED=str(self.rng.randrange(1 << 30))
        )

    def _assign(self) -> None:
        self.service.slices = tuple(self._assignment(each) for each in self.slices)
        self.service.push()

    def _assignment(self, each: WalkSlice) -> SliceAssignment:
        holder = "job" if each.job else "notebook"
        first: dict[str, object] = {}
        if each.root is not None:
            identity = self.table.identify(each.root.pid)
            assert identity is not None
            first = {"root_pid": identity.pid, "root_start_time": self.table.started_at(identity)}
        return slice_assignment(each.slice_id, self.gpu_id, each.cap_mib, holder=holder, **first)

    def _journal_size(self) -> int:
        try:
            return self.journal.stat().st_size
        except OSError:
            return 0
