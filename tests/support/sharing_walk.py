"""A fault walk of owners who all fit on the card, with unequal shares of its compute.

Now and then some of them compute for long at once, so that turns are taken; the agent dies in the
middle of them, too, with its watchdog or without. Where not all compute, memory moves beside, and
no turn meets that.
"""

import contextlib
import json
import time
from collections.abc import Callable
from typing import Any

from sublet_agent.app.watchdog import let_owners_run
from sublet_quota.wire.agent_link import SliceAssignment

from tests.support.fake_service_link import gpu_assignment
from tests.support.fault_walk import FaultWalk
from tests.support.walk_tenants import WalkSlice
from tests.support.walked_node import ViolationError

SHARES = {"own-a": 600, "own-b": 300, "own-c": 100}
_TURNS_WITHIN_S = 20.0
_AGAIN = 0.3
_IDLES = "own-c"
"""Who does not compute, where not all do, so that a job may have what it holds."""
_FOR_A_TURN = "pausing-for-a-turn"
_LEASE_S = 3.0
_LATE_S = 10.0
"""So late a busy machine may be."""


class SharingWalk(FaultWalk):
    """The walk, with turns of computing."""

    _faulty = False
    """Whether what the driver is asked for may fail, or take long."""

    def begin(self) -> None:
        self.slices = [WalkSlice(name, 16 * self.gib, job=False) for name in SHARES]
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

    def moves(self) -> list[tuple[int, Callable[[], None]]]:
        return [*super().moves(), (4, self._owners_compute_at_once)]

    def _assignment(self, each: WalkSlice) -> SliceAssignment:
        share = SHARES.get(each.slice_id, 500)
        return super()._assignment(each).model_copy(update={"compute_milli": share})

    def step(self) -> None:
        super().step()
        self._no_turn_meets_a_move()

    def calm_down(self) -> None:
        super().calm_down()
        self._faulty = False

    def _fault_is_planned(self) -> None:
        # Who cannot be let run stays paused over the next move.
        self._faulty = True
        super()._fault_is_planned()

    def _no_turn_meets_a_move(self) -> None:
        met = None if self._faulty else self.card.turn_that_meets_a_move()
        if met is not None:
            message = f"somebody is paused for a turn while memory moves: {met}"
            raise ViolationError(message)

    def _owners_compute_at_once(self) -> None:
        for each in self.slices:
            if not (each.job or each.tenants):
                each.tenants.append(self._tenant(each, each.cap_mib - self.extra_mib))
        self._wait("every cell ends", self._no_cell_runs, 30.0)
        mark, idles = self.folder / f"enough-{self.steps}", self.rng.random() < _AGAIN
        for each in self.slices:
            if not each.job and not (idles and each.slice_id == _IDLES):
                kernel = each.tenants[0]
                kernel.cells += 1
                kernel.tell(f"long {kernel.pid}-{kernel.cells} {mark}")
        try:
            self._turns_are_taken(idles=idles)
        finally:
            mark.touch()

    def _turns_are_taken(self, *, idles: bool) -> None:
        before = self._pauses_for_turns()
        if not self._see(lambda: self._pauses_for_turns() > before, _TURNS_WITHIN_S):
            return
        self.counts["turns were taken"] += 1
        if idles:
            self._job_comes()
            self._see(lambda: False, 1.0)
        deadline = time.monotonic() + self.rng.random() * 0.2
        self._see(lambda: time.monotonic() > deadline, 1.0)
        if self.rng.random() < 0.5:
            self._agent_dies_in_a_turn()
        elif self.rng.random() < 0.3:
            self._all_of_its_container_die_in_a_turn()

    def _see(self, holds: Callable[[], bool], within_s: float) -> bool:
        """Wait for something, and see that no turn meets a move; return whether it came."""
        deadline = time.monotonic() + within_s
        while not holds():
            if time.monotonic() > deadline:
                return False
            self.look_at_answers()
            self.job_starts_if_it_may()
            self._no_turn_meets_a_move()
            time.sleep(0.005)
        return True

    def _all_of_its_container_die_in_a_turn(self) -> None:
        """Nobody is there to let run who is paused for a turn: the lease does."""
        self.kill_agent()
        last = {entry["pid"]: entry["step"] for entry in self._journal_entries()}
        for_a_turn = {pid for pid, step in last.items() if step == _FOR_A_TURN}
        self._wait(
            "nobody stays paused for a turn after its lease",
            lambda: "locked" not in self.card.states(for_a_turn).values(),
            _LEASE_S + _LATE_S,
        )
        self.counts["died in a turn with the watchdog"] += 1
        self.start_agent()

    def _agent_dies_in_a_turn(self) -> None:
        self.kill_agent()
        let_owners_run(self.journal, self.gpus.device, self.table)
        owners = {t.pid for s in self.slices if not s.job for t in s.tenants}
        if "locked" in self.card.states(owners).values():
            message = f"somebody is left paused for a turn: {self.card.in_words()}"
            raise ViolationError(message)
        self.counts["died in a turn"] += 1
        self.start_agent()

    def _pauses_for_turns(self) -> int:
        return [entry["step"] for entry in self._journal_entries()].count(_FOR_A_TURN)

    def _journal_entries(self) -> list[dict[str, Any]]:
        try:
            lines = self.journal.read_text().splitlines()
        except OSError:
            return []
        entries = []
        for line in lines:
            with contextlib.suppress(ValueError):
                # The last one may be half written.
                entries.append(json.loads(line))
        return [entry for entry in entries if "step" in entry]
