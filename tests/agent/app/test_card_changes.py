"""Slices change the cards of their node: suspended ones come back there, idle ones leave for it."""

import shutil
from enum import StrEnum
from pathlib import Path

import pytest
from sublet_agent.simulated.machine.operations import OperationKind
from sublet_agent.simulated.protocol.errors import CudaCode

from tests.support.agent_world import digest_and_compute_until
from tests.support.node_of_cards import (
    a_node,
    filled_one_after_another,
    suspended_for_another,
)
from tests.support.simulated_gpus import UNTIL_TOLD_S
from tests.support.tenants import TenantError

APPLICATION = "sublet_agent.app.application"
STAYS_AWAY = {"lend_at_least_s": 600.0}


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
