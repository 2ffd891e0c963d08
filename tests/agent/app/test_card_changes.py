"""Slices change the cards of their node: suspended ones come back there, idle ones leave for it."""

import contextlib
import json
import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest
from sublet_agent.devices.interface import GpuGoneError
from sublet_agent.simulated.machine.operations import OperationKind
from sublet_agent.simulated.protocol.errors import CudaCode
from sublet_quota.reasons.waiting import WaitReason

from tests.support.agent_world import AgentWorld, Kernel, agent_world, digest_and_compute_until
from tests.support.fake_service_link import gpu_assignment
from tests.support.simulated_gpus import UNTIL_TOLD_S
from tests.support.tenants import TenantError

APPLICATION = "sublet_agent.app.application"
TICK = "--SubletAgent.tick_s=0.05"
STAYS_AWAY = {"lend_at_least_s": 600.0}


class Node:
    """A node of several cards, with slices that a test moves between them."""

    def __init__(self, world: AgentWorld, **pool: Any) -> None:
        self.world = world
        self.cards = [gpu.gpu_id for gpu in world.gpus.device.gpus()]
        fields = {"idle_after_s": 0.5, "turn_s": 0.2, **pool}
        world.service.gpus = tuple(gpu_assignment(card, **fields) for card in self.cards)

    def serve(self, *slices: Any) -> None:
        self.world.service.assign(*slices)
        wanted = {s.slice_id for s in slices}
        self.world.until(lambda: {s.slice_id for s in self.world.status.slices} == wanted)

    def slice(self, name: str, gib: int, card: int = 0, **fields: Any) -> Any:
        found = self.world.notebook(name, gib, **fields)
        return found.model_copy(update={"gpu_id": self.cards[card]})

    def move(self, name: str, card: int | None) -> None:
        """Let the hub say that a slice is to be on another card, or to stay."""
        move_to = None if card is None else self.cards[card]
        self.world.service.assign(
            *(
                s.model_copy(update={"move_to": move_to}) if s.slice_id == name else s
                for s in self.world.service.slices
            )
        )

    def call_off(self, name: str) -> None:
        """Let the hub call a move off: the slice may be there by now."""
        self.world.service.assign(
            *(
                s.model_copy(update={"move_to": None, "perhaps_on": (s.move_to,)})
                if s.slice_id == name
                else s
                for s in self.world.service.slices
            )
        )

    def loses_its_folder(self) -> None:
        """Let the agent end at once, all that it kept be lost, and the next one begin."""
        self.agent_is_killed()
        shutil.rmtree(self.world.agent.folder / "state")
        self.agent_begins()

    def agent_is_killed(self) -> None:
        self.world.agent.kill()
        self.world.gpus.administration.clear_faults()

    def agent_begins(self) -> None:
        self.world.service.status = None
        self.world.agent.start()
        self.world.agent.wait_until_serving()
        # An agent that knows of no slice yet tells who asks at the gate so.
        for each in self.world.service.slices:
            self.world.report(each.slice_id)
        for kernel in self.world.kernels:
            kernel.reconnect()

    def follow(self) -> None:
        """Let the hub take over where the agent says that slices are."""
        told = {s.slice_id: self.world.report(s.slice_id).gpu_id for s in self.world.service.slices}
        self.world.service.assign(
            *(
                s.model_copy(update={"gpu_id": told[s.slice_id], "move_to": None})
                if told[s.slice_id]
                else s
                for s in self.world.service.slices
            )
        )

    def until_on(self, name: str, card: int) -> None:
        self.world.until(lambda: self.world.report(name).gpu_id == self.cards[card])

    def until_bound_for(self, name: str, card: int) -> None:
        """Wait until a slice is to come back on a card, as the agent's next one would know."""
        kept = self.world.agent.folder / "state" / "moved-slices.json"

        def is_bound() -> bool:
            slices = json.loads(kept.read_bytes())["slices"] if kept.exists() else {}
            return slices.get(name, {}).get("gpu") == self.cards[card]

        self.world.until(is_bound)

    def give_up(self, name: str, kernel: Kernel) -> None:
        """Let an owner need a slice no more for now, of which the agent knows what it holds."""
        held = sum(self.held_mib(kernel))
        self.world.until(lambda: self.world.report(name).memory_mib >= held)
        kernel.ends_cell()
        self.world.give_up(name)
        self.world.until_idle(name)

    def waits_for_a_turn(self, name: str) -> bool:
        wait = self.world.report(name).wait
        return wait is not None and wait.reason is WaitReason.TURN

    def is_moved_now(self, kernel: Kernel) -> bool:
        """Whether the driver is at work on a process."""
        process = self.world.gpus.administration.inspect().process(kernel.pid)
        return process is not None and process.operation is not None

    def until_moves_to(self, kernel: Kernel, card: int) -> None:
        """Wait for the middle of a process's move, or its end where the test stood still meanwhile.

        What is delayed may not come to pass at all.
        """
        self.world.until(lambda: self.is_moved_now(kernel) or self.is_on(kernel, card))

    def agent_dies(self) -> None:
        """Kill the agent in the middle of what is delayed, and wait for the next one."""
        hellos = len(self.world.service.hellos)
        os.kill(self.world.agent.child_pid(), signal.SIGKILL)
        self.world.gpus.administration.clear_faults()
        self.world.until(lambda: len(self.world.service.hellos) > hellos)
        self.world.service.status = None
        self.world.agent.wait_until_serving()

    def held_mib(self, kernel: Kernel) -> list[int]:
        """Return what a process really holds, by card, at one moment."""
        held, before = self._look_at(kernel), None
        while held != before:  # it moved between two cards' answers
            held, before = self._look_at(kernel), held
        return held

    def _look_at(self, kernel: Kernel) -> list[int]:
        held = []
        for card in self.cards:
            listed: Any = ()
            with contextlib.suppress(GpuGoneError):
                listed = self.world.gpus.device.processes(card)
            held.append(sum(p.memory_mib for p in listed if p.pid == kernel.pid))
        return held

    def is_on(self, kernel: Kernel, card: int) -> bool:
        return [bool(mib) for mib in self.held_mib(kernel)] == [
            index == card for index in range(len(self.cards))
        ]

    def is_suspended(self, kernel: Kernel) -> bool:
        return self.world.truth(kernel.pid) == "checkpointed"

    def no_stranger(self) -> bool:
        return all(gpu.foreign_processes is None for gpu in self.world.status.gpus)


@contextmanager
def a_node(folder: Path, *options: str, **more: Any) -> Iterator[Node]:
    pool = more.pop("pool", {})
    with agent_world(folder, TICK, *options, cards=more.pop("cards", 2), **more) as world:
        yield Node(world, **pool)


def suspended_for_another(node: Node) -> tuple[Kernel, str, Kernel, str]:
    """Ada's memory is away, since Ben's whole cap is promised to him; both hold theirs."""
    node.serve(node.slice("a", 60), node.slice("b", 60))
    ada, ben = node.world.kernel("a"), node.world.kernel("b")
    hers, his = filled_one_after_another(node, ada, ben)
    assert node.is_suspended(ada)
    node.world.until_idle("b")
    return ada, hers, ben, his


def filled_one_after_another(node: Node, ada: Kernel, ben: Kernel) -> tuple[str, str]:
    """Ben gets Ada's room once she is idle.

    Else the two take turns, and whose memory is away in the end is anybody's guess; and where his
    turn is over before his memory is there, it finds hers.
    """
    hers = ada.enter_and_fill(50, 1)
    node.world.until_idle("a")
    return hers, ben.enter_and_fill(50, 2)


def test_a_suspended_slice_comes_back_on_the_other_card(tmp_path: Path) -> None:
    with a_node(tmp_path, pool=STAYS_AWAY) as node:
        ada, hers, ben, his = suspended_for_another(node)
        node.move("a", 1)
        node.until_bound_for("a", 1)
        assert ada.enter_and_digest() == hers
        assert node.is_on(ada, 1)
        node.until_on("a", 1)
        assert node.is_on(ben, 0)
        assert ben.enter_and_digest() == his
        node.follow()
        node.world.until(lambda: node.world.report("a").gpu_id is None)
        assert ada.enter_and_digest() == hers
        assert node.is_on(ada, 1)
        assert node.no_stranger()
        node.world.until(lambda: node.world.events("card-changed", "a"))
        [event] = node.world.events("card-changed", "a")
        assert event.gpu_id == node.cards[1]


def test_an_owner_who_waits_for_a_turn_gets_the_room_of_the_other_card(
    tmp_path: Path,
) -> None:
    # Ben counts as at work, and has his turn, for longer than this takes, whenever he computes.
    with a_node(tmp_path, pool={"idle_after_s": 600.0, "turn_s": 3600.0}) as node:
        node.serve(node.slice("a", 60), node.slice("b", 60))
        ada, ben = node.world.kernel("a"), node.world.kernel("b")
        hers = ada.enter_and_fill(50, 1)
        node.give_up("a", ada)
        ben.enter_and_fill(50, 2)
        ada.begin_cell("held.sha256()")
        node.world.until(lambda: node.waits_for_a_turn("a"))
        node.move("a", 1)
        assert ada.end_cell() == hers
        assert node.is_on(ada, 1)


def test_an_idle_slice_leaves_for_the_other_card(tmp_path: Path) -> None:
    with a_node(tmp_path) as node:
        node.serve(node.slice("a", 60))
        ada = node.world.kernel("a")
        hers = ada.enter_and_fill(50, 1)
        node.world.until_idle("a")
        node.move("a", 1)
        node.until_on("a", 1)
        assert node.is_on(ada, 1)
        assert ada.enter_and_digest() == hers


def test_a_slice_at_work_stays_until_it_is_idle(tmp_path: Path) -> None:
    with a_node(tmp_path) as node:
        node.serve(node.slice("a", 60), node.slice("b", 10))
        ada = node.world.kernel("a")
        ada.enter_and_fill(50, 1)
        done = tmp_path / "done"
        ada.begin_cell(digest_and_compute_until(done))
        node.world.until(lambda: node.world.report("a").running_cell)
        node.move("a", 1)
        node.move("b", 1)
        # Both were looked at: who has nothing on the card is on the other by now.
        node.until_on("b", 1)
        assert node.is_on(ada, 0)
        assert not node.world.events("suspended", "a")
        done.touch()
        ada.end_cell()
        node.until_on("a", 1)
        assert node.is_on(ada, 1)


def test_a_cell_in_the_middle_of_a_move_runs_on_either_card(tmp_path: Path) -> None:
    with a_node(tmp_path, speed=20.0, pool={"lend_at_least_s": 0.1}) as node:
        node.serve(node.slice("a", 60))
        ada = node.world.kernel("a")
        hers = ada.enter_and_fill(40, 1)
        there = 0
        for _ in range(4):
            node.world.until_idle("a")
            there = 1 - there
            node.move("a", there)
            node.until_moves_to(ada, there)
            assert ada.enter_and_digest() == hers
            node.until_on("a", there) if there else node.world.until(
                lambda: node.is_on(ada, 0) and node.world.report("a").gpu_id is None
            )


def test_a_slice_with_nothing_on_any_card_simply_changes(tmp_path: Path) -> None:
    with a_node(tmp_path) as node:
        node.serve(node.slice("a", 60))
        node.world.until_idle("a")
        before = node.world.kernel("a", SUBLET_GPU_ID=node.cards[0])
        node.move("a", 1)
        node.until_on("a", 1)
        # A kernel of before and one of after: both are told at the gate which card is theirs.
        after = node.world.kernel("a", SUBLET_GPU_ID=node.cards[0])
        for kernel in (before, after):
            kernel.enter_and_fill(5, 1)
            assert node.is_on(kernel, 1)
        node.world.until(lambda: node.world.report("a").memory_mib >= 10 * node.world.gib)
        assert node.no_stranger()
        assert len(node.world.events("card-changed", "a")) == 1


def test_a_program_that_was_never_told_takes_its_slice_back_to_where_it_is(
    tmp_path: Path,
) -> None:
    with a_node(tmp_path, pool=STAYS_AWAY) as node:
        node.serve(node.slice("a", 60))
        node.world.until_idle("a")
        kernel = node.world.kernel("a", SUBLET_GPU_ID=node.cards[0])
        node.move("a", 1)
        node.until_on("a", 1)
        node.follow()
        node.world.until(lambda: node.world.report("a").gpu_id is None)
        hers = kernel.fill(5, 1)
        node.until_on("a", 0)
        node.world.until(node.no_stranger)
        assert node.is_on(kernel, 0)
        assert kernel.enter_and_digest() == hers


def test_who_sees_one_card_stays_and_is_told_and_never_tried(tmp_path: Path) -> None:
    with a_node(tmp_path) as node:
        node.serve(node.slice("a", 60))
        ada = node.world.kernel("a", CUDA_VISIBLE_DEVICES=node.cards[0])
        hers = ada.enter_and_fill(50, 1)
        node.world.until_idle("a")
        node.move("a", 1)
        node.world.until(lambda: node.world.report("a").stays is not None)
        assert "see every GPU" in node.world.report("a").stays
        assert not node.world.events("suspended", "a")
        assert ada.enter_and_digest() == hers
        assert node.is_on(ada, 0)


def test_what_cannot_be_suspended_stays_and_is_told(tmp_path: Path) -> None:
    with a_node(tmp_path) as node:
        node.serve(node.slice("a", 60))
        ada = node.world.kernel("a")
        ada.enter_and_fill(5, 1)
        ada.run("gpu.join_mps()")
        node.world.until(lambda: node.world.report("a").unsuspendable is not None)
        node.world.until_idle("a")
        node.move("a", 1)
        node.world.until(lambda: node.world.report("a").stays is not None)
        assert "cannot be suspended" in node.world.report("a").stays
        assert node.is_on(ada, 0)


def test_who_is_refused_there_comes_back_where_they_were_and_is_told(tmp_path: Path) -> None:
    with a_node(tmp_path, pool=STAYS_AWAY) as node:
        ada, hers, _, _ = suspended_for_another(node)
        node.move("a", 1)
        node.until_bound_for("a", 1)
        node.world.gpus.administration.fail(
            OperationKind.RESTORE, CudaCode.OPERATING_SYSTEM, pid=ada.pid
        )
        assert ada.enter_and_digest() == hers
        assert node.is_on(ada, 0)
        node.world.until(lambda: node.world.report("a").stays is not None)
        assert "did not bring it back" in node.world.report("a").stays
        assert node.world.report("a").gpu_id is None
        assert not node.world.events("card-changed", "a")


def test_without_room_there_turns_are_taken_where_one_is(tmp_path: Path) -> None:
    # Who is idle does not come home by themselves: Ben has his promise, and holds nothing yet.
    with a_node(tmp_path, pool=STAYS_AWAY) as node:
        # Where Cee is at work, nobody can be brought back beside her without her leaving.
        first, second = node.world.service.gpus
        at_work = {"idle_after_s": 600.0}
        node.world.service.gpus = (first, second.model_copy(update=at_work))
        node.serve(node.slice("a", 60), node.slice("b", 60), node.slice("c", 60, card=1))
        ada, ben = node.world.kernel("a"), node.world.kernel("b")
        cee = node.world.kernel("c", SUBLET_GPU_ID=node.cards[1])
        cee.enter_and_fill(60 - 1, 3)
        hers, his = filled_one_after_another(node, ada, ben)
        node.move("a", 1)
        for _ in range(3):
            assert ada.enter_and_digest() == hers
            # By now her turn may be over: then she has nothing on any card.
            assert not node.held_mib(ada)[1]
            assert ben.enter_and_digest() == his
        assert not node.world.events("card-changed", "a")
        assert node.is_on(cee, 1)


def test_a_slice_whose_other_card_fails_meanwhile_comes_back_where_it_was(
    tmp_path: Path,
) -> None:
    with a_node(tmp_path, pool=STAYS_AWAY) as node:
        ada, hers, _, _ = suspended_for_another(node)
        node.move("a", 1)
        node.until_bound_for("a", 1)
        node.world.gpus.administration.report_xid(node.cards[1], 79)
        node.world.until(lambda: node.world.status.gpus[1].closed is not None)
        node.until_bound_for("a", 0)
        assert ada.enter_and_digest() == hers
        assert node.is_on(ada, 0)


def test_what_was_suspended_on_a_card_that_is_gone_comes_back_on_the_other(
    tmp_path: Path,
) -> None:
    with a_node(tmp_path, pool=STAYS_AWAY) as node:
        ada, hers, _, _ = suspended_for_another(node)
        node.world.gpus.administration.lose_card(node.cards[0])
        node.world.until(lambda: node.world.status.gpus[0].closed is not None)
        node.move("a", 1)
        node.until_bound_for("a", 1)
        assert ada.enter_and_digest() == hers
        assert node.is_on(ada, 1)
        node.until_on("a", 1)


def test_the_hub_may_name_another_card_or_call_it_off_meanwhile(tmp_path: Path) -> None:
    with a_node(tmp_path, cards=3, pool=STAYS_AWAY) as node:
        ada, hers, _, _ = suspended_for_another(node)
        for wanted, bound_for in ((1, 1), (2, 2), (1, 1), (None, 0), (2, 2)):
            node.move("a", wanted)
            node.until_bound_for("a", bound_for)
        assert ada.enter_and_digest() == hers
        node.until_on("a", 2)
        assert node.is_on(ada, 2)


class Before(StrEnum):
    """What becomes of the agent that brings back what is to stay."""

    LIVES_ON = "lives on"
    IS_KILLED = "is killed"
    LOSES_ITS_FOLDER = "loses its folder"


@pytest.mark.parametrize("agent", Before)
def test_what_comes_back_on_a_card_that_was_called_off_meanwhile_is_told(
    tmp_path: Path, agent: Before
) -> None:
    with a_node(tmp_path, speed=40.0, pool=STAYS_AWAY) as node:
        ada, hers, ben, his = suspended_for_another(node)
        node.world.gpus.administration.delay(OperationKind.RESTORE, UNTIL_TOLD_S, pid=ada.pid)
        node.move("a", 1)
        node.until_bound_for("a", 1)
        ada.begin_cell("held.sha256()")
        node.world.until(lambda: node.world.is_restored_now(ada))
        if agent is Before.LIVES_ON:
            node.call_off("a")
            node.world.gpus.administration.clear_faults()
        else:
            node.agent_is_killed()
            node.call_off("a")
            if agent is Before.LOSES_ITS_FOLDER:
                shutil.rmtree(node.world.agent.folder / "state")
            with pytest.raises(TenantError):
                ada.end_cell()
            node.agent_begins()
            ada.begin_cell("held.sha256()")
        assert ada.end_cell() == hers
        node.until_on("a", 1)
        assert node.is_on(ada, 1)
        node.follow()
        node.world.until(lambda: node.world.report("a").gpu_id is None)
        assert ada.enter_and_digest() == hers
        assert ben.enter_and_digest() == his
        node.world.until(node.no_stranger)
        assert not node.world.events("lost")


def test_a_lost_journal_brings_nobody_back_on_another_card_than_is_believed(
    tmp_path: Path,
) -> None:
    with a_node(tmp_path, pool=STAYS_AWAY) as node:
        ada, hers, ben, his = suspended_for_another(node)
        node.move("a", 1)
        node.until_bound_for("a", 1)
        node.world.agent.kill()
        node.world.agent.journal.unlink()
        node.world.service.status = None
        node.world.agent.start()
        node.world.agent.wait_until_serving()
        for kernel in (ada, ben):
            kernel.reconnect()
        # The card that it left is full: without a mapping it would come back there, and be lost.
        assert ada.enter_and_digest() == hers
        assert node.is_on(ada, 1)
        assert ben.enter_and_digest() == his
        assert not node.world.events("lost")


@pytest.mark.parametrize("first", [OperationKind.CHECKPOINT, OperationKind.RESTORE])
def test_an_agent_that_is_killed_at_any_moment_of_moves_loses_nothing(
    tmp_path: Path, first: OperationKind
) -> None:
    pool = {"lend_at_least_s": 0.1, "idle_after_s": 0.2}
    with a_node(tmp_path, module=APPLICATION, speed=40.0, pool=pool) as node:
        node.serve(node.slice("a", 50), node.slice("b", 20))
        ada, ben = node.world.kernel("a"), node.world.kernel("b")
        second = node.world.kernel("a")
        hers, hers_too = ada.enter_and_fill(20, 1), second.enter_and_fill(20, 3)
        his = ben.enter_and_fill(15, 2)
        there = 0
        kinds = (OperationKind.CHECKPOINT, OperationKind.RESTORE)
        # On the way there and back, each twice: who ends often is started later each time.
        for kind in (kinds if first is kinds[0] else kinds[::-1]) * 2:
            there = 1 - there
            node.world.gpus.administration.delay(kind, UNTIL_TOLD_S, pid=ada.pid)
            node.move("a", there)
            node.until_moves_to(ada, there)
            node.agent_dies()
            for kernel in (ada, second, ben):
                kernel.reconnect()
            assert ada.enter_and_digest() == hers
            assert second.enter_and_digest() == hers_too
            assert ben.enter_and_digest() == his
            assert not all(node.held_mib(ada))
            node.follow()
        assert not node.world.events("lost")
        node.world.until(node.no_stranger)
