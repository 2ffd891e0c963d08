"""A random walk over owners, jobs, faults and deaths of the agent.

What happens is drawn from a seed; when it happens is up to the machine, so the same seed gives
the same story but not the same instants.
"""

import time
from collections.abc import Callable
from pathlib import Path

from sublet_agent.app.watchdog import let_owners_run
from sublet_agent.moves.thawing import thaw_after_moves
from sublet_agent.state_files.journal import read_journal

from tests.support.agent_world import Gpus
from tests.support.fake_service_link import FakeServiceLink, gpu_assignment
from tests.support.walk_tenants import WalkSlice
from tests.support.walked_node import ViolationError, WalkedNode

_LEAST_STEPS = 100
_LOOK_EVERY = 100


class FaultWalk(WalkedNode):
    """The walk of a node: what happens, step by step."""

    def begin(self) -> None:
        """Three owners whose caps are twice the card's memory, and room for one job."""
        self.slices = [
            WalkSlice("own-a", 60 * self.gib, job=False, most_tenants=2),
            WalkSlice("own-b", 50 * self.gib, job=False),
            WalkSlice("own-c", 48 * self.gib, job=False, most_tenants=2),
        ]
        self.service.gpus = (
            gpu_assignment(
                self.gpu_id,
                idle_after_s=0.3 * self.card.slowness,
                turn_s=0.15 * self.card.slowness,
                lend_at_least_s=0.1 * self.card.slowness,
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

    def moves(self) -> list[tuple[int, Callable[[], None]]]:
        """Return what may happen, and how often each does."""
        return [
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

    def step(self) -> None:
        moves = self.moves()
        chosen = self.rng.choices([m for _, m in moves], [w for w, _ in moves])[0]
        self.counts[chosen.__name__.strip("_")] += 1
        chosen()
        self.look_at_answers()
        self.job_starts_if_it_may()

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
            cap_mib = each.cap_mib // each.most_tenants - self.extra_mib
            each.tenants.append(self._tenant(each, cap_mib))

    def _kernel_dies(self) -> None:
        several = [s for s in self.slices if not s.job and s.tenants]
        if several:
            each = self.rng.choice(several)
            each.tenants.pop(self.rng.randrange(len(each.tenants))).kill()

    def _job_comes(self) -> None:
        if not any(s.job for s in self.slices):
            self._jobs += 1
            cap_mib = self.rng.choice((20, 40, 70)) * self.gib
            self.slices.append(WalkSlice(f"job-{self._jobs}", cap_mib, job=True))
            self._assign()

    def _job_goes(self) -> None:
        for each in [s for s in self.slices if s.job]:
            if not each.tenants and self.rng.random() < 0.7:
                continue
            each.end()
            self.slices.remove(each)
            self._assign()

    def _fault_is_planned(self) -> None:
        self.card.plan_a_fault(self.rng)

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
        operation = self.card.hold_an_operation(self.rng, 0.06)
        if operation is None:
            self._agent_dies_after_a_journal_write()
            return
        self._something_for_the_agent()
        deadline = time.monotonic() + 0.3
        while time.monotonic() < deadline:
            if self.card.is_under_way(operation):
                self.counts[f"killed in {operation}"] += 1
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
            thaw_after_moves(self._groups, entries, lambda: self.gpus.device, self.table)
            let_owners_run(self.journal, self.gpus.device, self.table)
        time.sleep(self.rng.choice((0.0, 0.0, 0.02)))
        self.start_agent()
        # It must get somewhere before it dies again.
        time.sleep(self.rng.choice((0.0, 0.05, 0.15)))

    def _something_for_the_agent(self) -> None:
        for _ in range(2):
            self._owner_runs_a_cell()

    def _journal_size(self) -> int:
        try:
            return self.journal.stat().st_size
        except OSError:
            return 0


def walk_on(  # noqa: PLR0913 - what a walk may be otherwise
    gpus: Gpus,
    folder: Path,
    for_s: float,
    seed: int,
    *options: str,
    greedy: bool = False,
    kind: type[FaultWalk] = FaultWalk,
) -> FaultWalk:
    """Walk on these GPUs for so long; ``ViolationError`` where something must never happen did."""
    service = FakeServiceLink()
    service.start()
    began = time.monotonic()
    story = kind(gpus, service, folder, seed, options, greedy)
    try:
        story.begin()
        story.run(for_s)
    except ViolationError as violation:
        log = (folder / "agent.log").read_text()[-8000:]
        message = f"seed {seed}, after {dict(story.counts)}: {violation}\n{log}"
        raise ViolationError(message) from violation
    finally:
        story.close()
        service.stop()
    took_s = time.monotonic() - began
    print(f"{story.steps} steps in {took_s:.0f} s, longest cell {story.longest_cell_s:.2f} s")
    print(dict(story.counts))
    return story
