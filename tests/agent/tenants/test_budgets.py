"""What one tenant may use of the agent's socket, however many connections it makes."""

from sublet_agent.processes.peer import Peer
from sublet_agent.tenants.budgets import Budget, SocketLimits, Tenants
from sublet_agent.tenants.connection import TenantProcess

LIMITS = SocketLimits(connections=3, connects_per_s=5, lines_per_s=10, shares_per_s=2)


MANY = 1000


class Names:
    """A desk that knows slices by pid."""

    def __init__(self, **slices):
        self.slices = {int(pid[1:]): slice_id for pid, slice_id in slices.items()}

    def slice_of_peer(self, peer):
        return self.slices.get(peer.pid)

    async def look_closely(self, peer):
        return self.slice_of_peer(peer)

    def other_card(self, _slice_id):
        return None

    def serves(self, slice_id):
        return slice_id in self.slices.values()

    def speaker(self, pid, uid=1000):
        return TenantProcess(self, Peer(pid, uid, None))


class Time:
    """Passes when the test says so."""

    now = 0.0

    def __call__(self):
        return self.now


def test_a_second_may_be_spent_at_once_and_then_one_after_the_other_in_their_order():
    budget = Budget(10, 0.0)
    assert [budget.spend(1, 0.0) for _ in range(13)] == [0.0] * 10 + [0.1, 0.2, 0.3]
    assert round(budget.spend(1, 0.2), 6) == 0.2


def test_no_more_is_saved_than_one_second():
    budget = Budget(10, 0.0)
    budget.spend(10, 0.0)
    assert not budget.is_full(0.5)
    assert budget.is_full(1.0)
    assert budget.spend(11, 3600.0) == 0.1


def test_who_connects_again_gets_no_new_budget():
    tenants, tenant_requests = Tenants(LIMITS, MANY, Time()), Names(p1="a", p2="a", p3="b")
    first = tenant_requests.speaker(1)
    spent = tenants.place(first).lines
    spent.spend(10, 0.0)
    tenants.remove(first)
    assert tenants.place(tenant_requests.speaker(2)).lines is spent
    assert tenants.place(tenant_requests.speaker(3)).lines.spend(1, 0.0) == 0.0


def test_asking_for_shares_and_connecting_use_up_nobodys_turn_at_the_gate():
    tenants, tenant_requests = Tenants(LIMITS, MANY, Time()), Names(p1="a")
    tenant = tenants.place(tenant_requests.speaker(1))
    tenant.shares.spend(1000, 0.0)
    tenant.connects.spend(1000, 0.0)
    assert tenant.lines.spend(1, 0.0) == 0.0


def test_strangers_of_one_account_count_together_and_with_nobody_elses():
    tenants, tenant_requests = Tenants(LIMITS, MANY, Time()), Names()
    assert tenants.place(tenant_requests.speaker(1)) is tenants.place(tenant_requests.speaker(2))
    assert tenants.place(tenant_requests.speaker(3, uid=1001)) is not tenants.place(
        tenant_requests.speaker(4)
    )


def test_a_tenant_has_so_many_connections_and_no_more():
    tenants, tenant_requests = Tenants(LIMITS, MANY, Time()), Names(p1="a", p2="b")
    ours = [tenant_requests.speaker(1) for _ in range(3)]
    for speaker in ours:
        assert not tenants.why_no_room_for(speaker)
        tenants.place(speaker)
    assert tenants.why_no_room_for(tenant_requests.speaker(1))
    assert not tenants.why_no_room_for(tenant_requests.speaker(2))
    tenants.remove(ours[0])
    assert not tenants.why_no_room_for(tenant_requests.speaker(1))


def test_where_few_are_possible_in_all_no_tenant_takes_most_of_them():
    limits = SocketLimits(connections=1000)
    tenants, tenant_requests = (
        Tenants(limits, 16, Time()),
        Names(**{f"p{n}": f"s{n}" for n in range(9)}),
    )
    for pid in range(8):
        for _ in range(2):
            assert not tenants.why_no_room_for(tenant_requests.speaker(pid))
            tenants.place(tenant_requests.speaker(pid))
        if pid < 7:
            assert (
                tenants.why_no_room_for(tenant_requests.speaker(pid))
                == f"there are 2 connections already of slice s{pid}: close some first"
            )
    why = tenants.why_no_room_for(tenant_requests.speaker(8))
    assert why == "there are 16 connections on this node already"


def test_strangers_of_many_accounts_keep_no_slice_out():
    tenants, tenant_requests = Tenants(LIMITS, 16, Time()), Names(p1="a")
    for uid in range(4):
        speaker = tenant_requests.speaker(2, uid=uid)
        assert not tenants.why_no_room_for(speaker)
        tenants.place(speaker)
    why = tenants.why_no_room_for(tenant_requests.speaker(2, uid=9))
    assert why == "there are 4 connections of no slice on this node already"
    assert not tenants.why_no_room_for(tenant_requests.speaker(1))
    tenants.remove(speaker)
    assert not tenants.why_no_room_for(tenant_requests.speaker(2, uid=9))


def test_strangers_whose_slice_is_known_by_now_keep_no_other_stranger_out():
    time, tenant_requests = Time(), Names()
    tenants = Tenants(LIMITS, MANY, time)
    for _ in range(3):
        tenants.place(tenant_requests.speaker(1))
    assert tenants.why_no_room_for(tenant_requests.speaker(2))
    tenant_requests.slices[1] = "a"
    time.now += 1
    assert not tenants.why_no_room_for(tenant_requests.speaker(2))
    assert tenants.why_no_room_for(tenant_requests.speaker(1))


def test_who_has_not_spoken_for_a_second_is_forgotten_among_many():
    time, tenant_requests = Time(), Names()
    tenants = Tenants(LIMITS, MANY, time)
    for uid in range(10_000):
        speaker = tenant_requests.speaker(1, uid=uid)
        tenants.place(speaker).lines.spend(1, time.now)
        tenants.remove(speaker)
        time.now += 0.01
    assert len(tenants) < 600
