"""A real agent looks for room before it restores: what is taken unseen costs time and no bytes."""

from tests.support.agent_world import DIGEST, agent_world


def take_the_room_unseen(world):
    """An owner comes back while a neighbour has filled the card since the last sample."""
    world.serve(world.notebook("a", 60), world.notebook("b", 10))
    ada, ben = world.kernel("a"), world.kernel("b")
    his = ben.enter_and_fill(1, 2)
    hers = ada.enter_and_fill(50, 1)
    world.serve_too(world.job("j", 70))
    world.until(lambda: world.truth(ada.pid) == "checkpointed")
    world.until_idle("a", "b")
    # Right after a sample, so that the next one comes too late.
    seen = world.service.status.gpus[0].energy_mj
    world.until(lambda: world.service.status.gpus[0].energy_mj != seen)
    ben.run("late = gpu.allocate(gib=40)")
    ada.begin_cell(DIGEST)
    return ada, hers, ben, his


def test_room_taken_unseen_delays_an_owners_return_and_loses_nothing(tmp_path, *, nvidia):
    with agent_world(tmp_path, "--SubletAgent.tick_s=3", nvidia=nvidia) as world:
        ada, hers, ben, his = take_the_room_unseen(world)
        assert ada.end_cell() == hers
        assert ben.enter_and_digest() == his
        assert any("needed with the margin" in e.detail for e in world.events("refused-move"))
        assert world.gpus.administration.inspect().lost == ()


def test_without_the_check_for_room_the_same_loses_the_notebook(tmp_path):
    with agent_world(tmp_path, "--SubletAgent.tick_s=3", "--unsafe-skip-room-check") as world:
        ada, *_ = take_the_room_unseen(world)
        world.until(lambda: world.gpus.administration.inspect().lost)
        assert [p.pid for p in world.gpus.administration.inspect().lost] == [ada.pid]
        world.until(lambda: world.events("lost", "a"))
        # The event may be told before the state.
        world.until(lambda: world.report("a").unsuspendable)
        assert "restart its kernel" in world.report("a").unsuspendable
