"""A real agent and slices of different ranks: who borrows makes way alive, is told, comes back."""

import ast
from datetime import UTC, datetime

import pytest
from sublet_quota.reasons.waiting import WaitReason
from sublet_quota.residency.snapshot import Rank

from tests.support.agent_world import DIGEST, agent_world

NOBODY_FALLS_IDLE = {"idle_after_s": 600.0, "turn_s": 600.0}
"""Turns are longer than any test waits: who gets a seat in time did not wait for one's end."""


def given_up(assigned):
    return assigned.model_copy(update={"given_up_at": datetime.now(UTC)})


def ranked(assigned, rank):
    return assigned.model_copy(update={"rank": rank})


def serve_both(world, borrowed, entitled):
    """Serve two slices, of which the entitled one is idle: a new one counts as active."""
    world.serve(borrowed, entitled, **NOBODY_FALLS_IDLE)
    world.service.assign(borrowed, given_up(entitled))
    world.until_idle(entitled.slice_id)


def ends_cell(world, kernel, slice_id):
    """The kernel says that its cell is over."""
    kernel.ends_cell()
    world.until(lambda: not world.report(slice_id).running_cell)


def falls_idle(world, kernel, others, entitled):
    """An owner's cell is over, and they give their slice up for now."""
    ends_cell(world, kernel, entitled.slice_id)
    world.service.assign(others, given_up(entitled))


def computing_until(mark, gib, seed):
    """A cell that holds memory and computes until there is a mark: its hash before and after."""
    goes_on = f"iter(lambda: os.path.exists({str(mark)!r}), True)"
    return (
        f"[(held := gpu.allocate(gib={gib})).fill({seed}), "
        f"[gpu.compute(0.02) for _ in {goes_on}] and None, {DIGEST}][::2]"
    )


@pytest.mark.parametrize(
    ("rank", "words"),
    [(Rank.BORROWED, "Your slice is borrowed"), (Rank.CALLED_BACK, "Your slice is called back")],
)
def test_who_borrows_makes_way_for_an_entitled_cell_and_comes_back_with_every_byte(
    tmp_path, rank, words
):
    with agent_world(tmp_path) as world:
        b = world.notebook("b", 60, owner="bob", rank=rank)
        e = world.notebook("e", 60, owner="eve", rank=Rank.ENTITLED)
        serve_both(world, b, e)
        bob = world.kernel("b")
        his = bob.enter_and_fill(50, 1)
        eve = world.kernel("e")
        hers = eve.enter_and_fill(50, 2)
        assert world.truth(bob.pid) == "checkpointed"
        world.until(lambda: world.report("b").wait is not None)
        told = world.report("b").wait
        assert (told.reason, told.waits_for) == (WaitReason.CALLED_BACK, ("e",))
        world.until(lambda: world.report("e").gate_open)
        assert world.report("e").wait is None
        # His next cell is held up, however long he waits for his turn.
        bob.begin_cell(DIGEST)
        assert not world.report("b").gate_open
        falls_idle(world, eve, b, e)
        assert bob.end_cell() == his
        assert world.truth(eve.pid) == "checkpointed"
        ends_cell(world, bob, "b")
        # And he makes way again for her next cell.
        _, waits = eve.enter()
        assert WaitReason.CALLED_BACK not in {w["reason"] for w in waits}
        assert eve.digest() == hers
        bob.tenant.begin("enter()")
        world.until(lambda: world.report("b").running_cell)
        falls_idle(world, eve, b, e)
        kind, _, waits = ast.literal_eval(bob.tenant.end())
        assert kind == "open"
        called = [w for w in waits if w["reason"] == "called-back"]
        assert called
        assert called[0]["message"].startswith(words)
        assert bob.digest() == his


def test_a_borrowed_cell_that_is_stopped_in_its_middle_goes_on_there(tmp_path):
    mark = tmp_path / "enough"
    with agent_world(tmp_path) as world:
        b = world.notebook("b", 60, owner="bob")
        e = world.notebook("e", 60, owner="eve", rank=Rank.ENTITLED)
        serve_both(world, b, e)
        bob, eve = world.kernel("b"), world.kernel("e")
        bob.begin_cell(computing_until(mark, 50, 1))
        world.until(lambda: world.report("b").gpu_busy_ms > 0)
        eve.enter_and_fill(50, 2)
        assert world.truth(bob.pid) == "checkpointed"
        mark.touch()
        falls_idle(world, eve, b, e)
        before, after = ast.literal_eval(bob.end_cell())
        assert after == before
        assert world.gpus.administration.inspect().lost == ()


def test_a_slice_that_comes_to_be_entitled_while_it_waits_has_its_seat_at_once(tmp_path):
    with agent_world(tmp_path) as world:
        b, c = world.notebook("b", 60, owner="bob"), world.notebook("c", 60, owner="cleo")
        world.serve(b, c, **NOBODY_FALLS_IDLE)
        bob, cleo = world.kernel("b"), world.kernel("c")
        bob.enter()
        # His cell runs on: who has run none for some seconds makes way before the turn is over.
        bob.run("level(busy=True)")
        his = bob.fill(50, 1)
        cleo.begin_cell("7")
        world.until(lambda: world.report("c").wait is not None)
        assert world.report("c").wait.reason is WaitReason.TURN
        world.service.assign(b, ranked(c, Rank.ENTITLED_IN_PART))
        assert cleo.end_cell() == "7"
        world.until(lambda: world.report("b").wait is not None)
        assert world.report("b").wait.reason is WaitReason.CALLED_BACK
        # What was right once is not for ever: then she makes way in her turn.
        world.service.assign(ranked(b, Rank.ENTITLED), ranked(c, Rank.ENTITLED_IN_PART))
        world.until(lambda: world.report("b").gate_open)
        assert bob.digest() == his
