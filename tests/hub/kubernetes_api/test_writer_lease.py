"""Of several services only one writes."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import pytest
import pytest_asyncio
from sublet_hub.kubernetes_api.client import KubeApi
from sublet_hub.kubernetes_api.writer_lease import LeaseTimes, WriterLease

from tests.support.fake_kube_api import FakeKube, way_into
from tests.support.hub_world import until

LEASE = "/apis/coordination.k8s.io/v1/namespaces/sublet/leases/sublet-hub"
TIMES = LeaseTimes(lasts_s=15, gives_up_s=10, answers_s=5, renews_s=0.01)

pytestmark = pytest.mark.asyncio


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest_asyncio.fixture
async def api(kube: FakeKube) -> AsyncIterator[KubeApi]:
    async with way_into(kube) as way_in:
        yield way_in


def replica(api: KubeApi, name: str, clock: Clock) -> WriterLease:
    return WriterLease(api, "sublet", "sublet-hub", name, clock, TIMES)


def holder(kube: FakeKube) -> str:
    return str(kube.objects[LEASE]["spec"]["holderIdentity"])


async def asked_again(kube: FakeKube, times: int) -> None:
    before = len(kube.asked)
    await until(lambda: len(kube.asked) >= before + times, within_s=60)


async def renewed(kube: FakeKube) -> None:
    before = kube.objects[LEASE]["metadata"]["resourceVersion"]
    await until(lambda: kube.objects[LEASE]["metadata"]["resourceVersion"] != before, 60)


async def holds_on(kube: FakeKube, lease: WriterLease, end_trouble: Callable[[], None]) -> None:
    """Hold a lease that cannot be renewed for some tries, and then can."""
    holding = asyncio.create_task(lease.hold())
    await asked_again(kube, 6)
    end_trouble()
    await renewed(kube)
    assert not holding.done()
    holding.cancel()


async def soon(task: "asyncio.Task[None]") -> None:
    async with asyncio.timeout(60):
        await task


async def test_the_first_gets_it_and_the_second_waits_until_it_is_given_up(
    kube: FakeKube, api: KubeApi
) -> None:
    clock = Clock()
    first, second = replica(api, "first", clock), replica(api, "second", clock)
    await first.acquire()
    waiting = asyncio.create_task(second.acquire())
    await asked_again(kube, 6)
    assert holder(kube) == "first"
    assert not waiting.done()
    await first.release()
    await soon(waiting)
    assert holder(kube) == "second"
    assert kube.objects[LEASE]["spec"]["leaseTransitions"] == 3


async def test_one_whose_holder_died_is_taken_once_nothing_was_heard_for_its_whole_time(
    kube: FakeKube, api: KubeApi
) -> None:
    clock = Clock()
    await replica(api, "dead", clock).acquire()
    second = replica(api, "second", clock)
    waiting = asyncio.create_task(second.acquire())
    await asked_again(kube, 4)
    clock.now += 14
    await asked_again(kube, 4)
    assert holder(kube) == "dead"
    clock.now += 2
    await soon(waiting)
    assert holder(kube) == "second"


async def test_a_holder_that_renews_keeps_it(kube: FakeKube, api: KubeApi) -> None:
    clock = Clock()
    first, second = replica(api, "first", clock), replica(api, "second", clock)
    await first.acquire()
    holding, waiting = asyncio.create_task(first.hold()), asyncio.create_task(second.acquire())
    for _ in range(10):
        clock.now += 3
        await renewed(kube)
        await asked_again(kube, 20)
    assert holder(kube) == "first"
    for task in (holding, waiting):
        task.cancel()
    await asyncio.gather(holding, waiting, return_exceptions=True)


async def test_a_holder_that_cannot_renew_ends_before_it_can_be_anothers(
    kube: FakeKube, api: KubeApi
) -> None:
    clock = Clock()
    first = replica(api, "first", clock)
    await first.acquire()
    kube.refuses["PUT", LEASE] = (500, "etcd is away")
    holding = asyncio.create_task(first.hold())
    await asked_again(kube, 4)
    assert not holding.done()
    clock.now += 10.1
    await soon(holding)


async def test_a_renewal_without_an_answer_is_made_again_over_another_connection(
    kube: FakeKube, api: KubeApi
) -> None:
    times = LeaseTimes(lasts_s=2000, gives_up_s=1000, answers_s=0.05, renews_s=0.01)
    first = WriterLease(api, "sublet", "sublet-hub", "first", Clock(), times)
    await first.acquire()
    kube.silent.add(("PUT", LEASE))
    await holds_on(kube, first, kube.silent.clear)


async def test_a_renewal_that_another_one_of_the_holder_s_own_overtook_ends_nobody(
    kube: FakeKube, api: KubeApi
) -> None:
    first = replica(api, "first", Clock())
    await first.acquire()
    kube.refuses["PUT", LEASE] = (409, "it has been modified")
    await holds_on(kube, first, kube.refuses.clear)


async def test_a_holder_whose_lease_was_taken_ends_at_once(kube: FakeKube, api: KubeApi) -> None:
    first = replica(api, "first", Clock())
    await first.acquire()
    kube.change(LEASE, spec={"holderIdentity": "another"})
    await soon(asyncio.create_task(first.hold()))
    assert holder(kube) == "another"


async def test_of_many_that_ask_at_once_one_gets_it(api: KubeApi) -> None:
    replicas = [replica(api, f"r{number}", Clock()) for number in range(8)]
    asking = [asyncio.create_task(each.acquire()) for each in replicas]
    await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED, timeout=60)
    assert sum(task.done() for task in asking) == 1
    for task in asking:
        task.cancel()
    await asyncio.gather(*asking, return_exceptions=True)


@pytest.mark.parametrize(
    "times",
    [{"lasts_s": 10, "gives_up_s": 10}, {"answers_s": 10}, {"renews_s": 20}, {"renews_s": 0}],
    ids=str,
)
async def test_times_with_which_two_could_write_are_refused(times: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="given up after"):
        LeaseTimes(**times)
