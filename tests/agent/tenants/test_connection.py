"""Whose a connection is, when its process ends and others take its pid."""

from sublet_agent.cgroups.attribution import Attribution
from sublet_agent.processes.peer import Peer
from sublet_agent.tenants.connection import TenantProcess

from tests.support.fake_device import FakeTable
from tests.support.fake_service_link import slice_assignment

UID = 1001


class Desk:
    """The attribution alone."""

    def __init__(self):
        self.table = FakeTable()
        self.answers = Attribution(self.table)
        self.assigned = ()

    def assign(self, *slice_ids):
        self.assigned = slice_ids
        self.answers.serve([slice_assignment(s, "GPU-1", 1024, uid=UID) for s in slice_ids])

    def slice_of_peer(self, peer):
        return self.answers.slice_of_peer(peer)

    async def look_closely(self, peer):
        return self.slice_of_peer(peer)

    def other_card(self, _slice_id):
        return None

    def serves(self, slice_id):
        return slice_id in self.assigned

    def connects(self, pid, **fields):
        return TenantProcess(self, Peer(pid, UID, self.table.add(pid, uid=UID, **fields)))


def test_who_came_before_their_slice_is_its_speaker_as_soon_as_it_is_there():
    tenant_requests = Desk()
    speaker = tenant_requests.connects(10)
    assert [speaker.slice_id(), speaker.tenant] == [None, f"uid {UID}"]
    tenant_requests.assign("a")
    assert [speaker.slice_id(), speaker.tenant] == ["a", "slice a"]


def test_a_strangers_connection_is_not_the_next_ones_who_has_its_pid():
    tenant_requests = Desk()
    speaker = tenant_requests.connects(10, start=100)
    tenant_requests.table.add(10, uid=UID, start=999)
    tenant_requests.assign("victim")
    assert speaker.slice_id() is None


def test_a_child_that_goes_on_speaking_for_its_slice_is_heard_as_long_as_that_is_served():
    tenant_requests = Desk()
    tenant_requests.assign("a")
    speaker = tenant_requests.connects(10)
    assert speaker.slice_id() == "a"
    tenant_requests.table.kill(10)
    assert speaker.slice_id() == "a"
    tenant_requests.assign("b")
    assert speaker.slice_id() is None
