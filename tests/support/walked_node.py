"""A node whose agent may die at any time, with its slices, judged by the daemon.

The outcome is never asked of the agent: contents are hashed by the daemon and by the programs
themselves.
"""

import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from sublet_agent.app.application import DRIVER_HELPER_NAME
from sublet_agent.cgroups.groups_file import thaw_left_over
from sublet_agent.cgroups.node_groups import GROUPS_NAME
from sublet_agent.driver_helper.client import DriverHelper
from sublet_agent.processes.process_table import LinuxProcessTable
from sublet_quota.wire.agent_link import SliceAssignment

from tests.support.agent_world import Gpus
from tests.support.control_groups import freezers, leave_no_groups
from tests.support.fake_service_link import FakeServiceLink, slice_assignment
from tests.support.left_over_groups import note_groups
from tests.support.nursery import NurserySprout, nursery
from tests.support.walk_tenants import WalkRoot, WalkSlice, WalkTenant
from tests.support.walked_card import card_of

_LEAST_HELD_GIB = 2
"""What a program needs at least, to have something to change."""


class ViolationError(AssertionError):
    """Something that must never happen."""


@dataclass
class WalkedNode:
    """The node: its agent, its slices and their tenants, and the looks at whether all is well."""

    gpus: Gpus
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
        self.card = card_of(self.gpus)
        self.gib = self.gpus.device.gpus()[0].memory_mib // 80
        """What the walk counts in: whatever the card has, it has 80 of them."""
        # A process's context, and a bit more.
        self.extra_mib = self.gib // 2 + self.gib // 16
        self.table = LinuxProcessTable()
        self._jobs = 0
        self.longest_cell_s = 0.0
        note_groups("node-1", str(self._groups.resolve()))
        (self.folder / "secret").write_text(self.service.secret)

    def close(self) -> None:
        self.kill_agent()
        DriverHelper(self.folder / "state" / DRIVER_HELPER_NAME).stop()
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
                tenant = self._tenant(each, each.cap_mib - self.extra_mib)
                tenant.tell("begin")
                each.tenants.append(tenant)
                self.counts["job started"] += 1
            for tenant in each.tenants if report is not None and report.memory_mib else ():
                if not tenant.works:
                    tenant.works = True
                    tenant.tell("job")

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
        self.card.no_more_faults()
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
        lost = self.card.lost(verify=verify)
        if lost is not None:
            raise ViolationError(lost)

    def _no_cell_runs(self) -> bool:
        self.look_at_answers()
        self.job_starts_if_it_may()
        return all(t.busy_since is None for s in self.slices if not s.job for t in s.tenants)

    def _no_owner_is_locked(self) -> bool:
        owners = {t.pid for s in self.slices if not s.job for t in s.tenants}
        return "locked" not in self.card.states(owners).values()

    def _a_job_computes(self) -> bool:
        self.job_starts_if_it_may()
        jobs = {t.pid for s in self.slices if s.job for t in s.tenants}
        first = self.card.worked(jobs)
        time.sleep(0.05 * self.card.slowness)
        self.look_at_answers()
        now = self.card.worked(jobs)
        return any(now.get(pid, 0) > first.get(pid, 0) for pid in jobs)

    def _wait(self, what: str, holds: Callable[[], bool], within_s: float) -> None:
        within_s *= self.card.slowness
        deadline = time.monotonic() + within_s
        while not holds():
            if time.monotonic() > deadline:
                self._nothing_is_lost()
                state = self.card.in_words()
                message = f"not within {within_s} s: {what}\n{state}\n{self.service.status}"
                raise ViolationError(message)
            time.sleep(0.003)

    def start_agent(self) -> None:
        argv = [
            f"--service-url={self.service.url}",
            f"--secret-file={self.folder / 'secret'}",
            "--node=node-1",
            f"--state-folder={self.folder / 'state'}",
            f"--tenant-socket={self.folder / 'run' / 'agent.sock'}",
            *self.gpus.agent_options,
            "--SubletAgent.tick_s=0.02",
            # The faults of a walk are for its slices: a card that fails its trial lends nothing.
            "--SubletAgent.canary=False",
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
                **self.gpus.environment,
                "WALK_CLIENT": self.gpus.client,
                "WALK_MIB_PER_GIB": str(self.gib),
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
        held_mib = max(
            int(cap_mib * self.card.held_share), min(cap_mib, _LEAST_HELD_GIB * self.gib)
        )
        return each.root.tenant(
            WALK_CAP_MIB=str(held_mib), WALK_SEED=str(self.rng.randrange(1 << 30))
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
