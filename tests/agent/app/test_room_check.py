"""A real agent looks for room before it restores: what is taken unseen costs time and no bytes."""

from tests.support.agent_world import DIGEST, agent_world
from tests.support.silent_cards import hide_memory, tell_everything

OPTIONS = (
    "--SubletAgent.tick_s=0.05",
    # The room alone keeps her away, however busy the machine is: the first reason is told.
    "--SubletAgent.freeze_timeout_ms=60000",
    "--SubletAgent.pause_timeout_ms=60000",
)


def take_the_room_unseen(world):
    """An owner comes back while a neighbour has filled the card, which no sample tells."""
    world.serve(world.notebook("a", 60), world.notebook("b", 10))
    ada, ben = world.kernel("a"), world.kernel("b")
    his = ben.enter_and_fill(1, 2)
    hers = ada.enter_and_fill(50, 1)
    # There is room for it beside him also where his cap counts, as it does from now on.
    world.serve_too(world.job("j", 65))
    world.until(lambda: world.truth(ada.pid) == "checkpointed")
    world.until_idle("a", "b")
    hide_memory(world, ben.pid)
    world.until(lambda: not world.report("b").memory_told)
    ben.run("late = gpu.allocate(gib=40)")
    ada.begin_cell(DIGEST)
    return ada, hers, ben, his


def test_room_taken_unseen_delays_an_owners_return_and_loses_nothing(tmp_path, *, nvidia):
    with agent_world(tmp_path, *OPTIONS, nvidia=nvidia) as world:
        ada, hers, ben, his = take_the_room_unseen(world)
        refused = "needed with the margin"
        world.until(lambda: any(refused in e.detail for e in world.events("refused-move", "a")))
        tell_everything(world, ben.pid)
        assert ada.end_cell() == hers
        assert ben.enter_and_digest() == his
        assert world.gpus.administration.inspect().lost == ()


def test_without_the_check_for_room_the_same_loses_the_notebook(tmp_path):
    with agent_world(tmp_path, *OPTIONS, "--unsafe-skip-room-check") as world:
        ada, *_ = take_the_room_unseen(world)
        world.until(lambda: world.gpus.administration.inspect().lost)
        assert [p.pid for p in world.gpus.administration.inspect().lost] == [ada.pid]
        world.until(lambda: world.events("lost", "a"))
        # The event may be told before the state.
        world.until(lambda: world.report("a").unsuspendable)
        assert "restart its kernel" in world.report("a").unsuspendable
