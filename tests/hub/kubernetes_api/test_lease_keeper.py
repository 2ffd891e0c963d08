"""A Lease is held whatever else the service has to do, and its loss is told at once."""

import asyncio
import threading

import pytest
from sublet_hub.kubernetes_api.lease_keeper import LeaseKeeper

pytestmark = pytest.mark.asyncio

WITHIN_S = 60


async def test_it_is_renewed_while_the_services_own_loop_stands_still() -> None:
    renewals, often = [], threading.Event()

    async def hold() -> None:
        while True:
            await asyncio.sleep(0)
            renewals.append(1)
            if len(renewals) > 3:
                often.set()
                await asyncio.sleep(3600)

    lost = threading.Event()
    keeper = LeaseKeeper(hold, lost.set)
    keeper.start()
    # The loop of the test is not run meanwhile.
    assert often.wait(WITHIN_S)
    await keeper.stop()
    assert not lost.is_set()


async def test_its_loss_is_told_while_the_services_own_loop_stands_still() -> None:
    async def hold() -> None:
        await asyncio.sleep(0)

    lost = threading.Event()
    keeper = LeaseKeeper(hold, lost.set)
    keeper.start()
    assert lost.wait(WITHIN_S)
    await keeper.stop()


async def test_a_defect_is_a_loss(caplog: pytest.LogCaptureFixture) -> None:
    async def hold() -> None:
        message = "nobody expected that"
        raise LookupError(message)

    lost = threading.Event()
    keeper = LeaseKeeper(hold, lost.set)
    keeper.start()
    assert lost.wait(WITHIN_S)
    await keeper.stop()
    assert "nobody expected that" in caplog.text


async def test_whatever_else_ends_it_is_a_loss() -> None:
    async def hold() -> None:
        raise asyncio.CancelledError

    lost = threading.Event()
    keeper = LeaseKeeper(hold, lost.set)
    keeper.start()
    assert lost.wait(WITHIN_S)
    await keeper.stop()
