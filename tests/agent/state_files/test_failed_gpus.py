"""Cards that fail take nothing new; those that only did not answer do again."""

import json

import pytest
from sublet_agent.state_files.failed_gpus import FailedGpus
from sublet_quota.names.ids import GpuId
from sublet_quota.reasons.closed_gpus import ClosedGpu, GpuFault

from tests.support.agent_world import agent_world


def test_a_card_that_failed_stays_closed_for_the_next_agent_until_the_machine_is_booted(tmp_path):
    with agent_world(tmp_path) as world:
        world.serve(world.notebook("a", 60))
        world.gpus.administration.report_xid(world.gpu_id, 79)
        world.until(lambda: world.status.gpus[0].closed is not None)
        world.agent.kill()
        world.service.forget_status()
        world.agent.start()
        assert world.status.gpus[0].closed == "xid: XID 79"
        kept = world.agent.folder / "state" / "closed-gpus.json"
        world.agent.kill()
        kept.write_text(json.dumps({**json.loads(kept.read_text()), "boot": "the one before"}))
        world.service.forget_status()
        world.agent.start()
        assert world.status.gpus[0].closed is None


@pytest.mark.parametrize("left", ["", "{", "[]", '{"boot": 1}', '{"boot": %s, "gpus": []}'])
def test_closed_cards_that_cannot_be_read_close_none(tmp_path, left):
    path = tmp_path / "closed-gpus.json"
    path.write_text(left.replace("%s", '"b"'))
    closed = FailedGpus(path, "b")
    assert closed.reasons == {}
    twice = ClosedGpu(GpuFault.ECC, "twice")
    closed.close(GpuId("GPU-1"), twice)
    assert FailedGpus(path, "b").reasons == {"GPU-1": twice}


def test_cards_that_an_older_agent_closed_by_words_stay_closed(tmp_path):
    path = tmp_path / "closed-gpus.json"
    path.write_text(json.dumps({"boot": "b", "gpus": {"GPU-1": "xid: XID 79"}}))
    reasons = FailedGpus(path, "b").reasons
    assert reasons == {"GPU-1": ClosedGpu(GpuFault.XID, "XID 79")}


def test_a_card_that_did_not_answer_for_a_while_is_open_again(tmp_path, monkeypatch):
    monkeypatch.setenv("SUBLET_TEST_FAULTS", str(tmp_path))
    with agent_world(tmp_path, module="tests.support.faulty_agent") as world:
        world.serve(world.notebook("a", 10))
        silent = tmp_path / "silent"
        silent.touch()
        world.until(lambda: world.status.gpus[0].closed is not None)
        assert world.status.gpus[0].closed == "unreadable: unknown error"
        silent.unlink()
        world.until(lambda: world.status.gpus[0].closed is None)
        world.kernel("a").enter()
