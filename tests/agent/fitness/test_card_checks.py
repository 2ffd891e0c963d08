"""The watch over a card's fitness: what it looks at again, and when it needs no trial."""

import asyncio
import os
import signal
from contextlib import suppress
from dataclasses import dataclass, field, replace
from types import SimpleNamespace

import pytest
from sublet_agent.devices.interface import ComputeMode, GpuSetup
from sublet_agent.fitness.card_checks import CardCheck, FitnessTools
from sublet_agent.fitness.trial import TrialLimits
from sublet_agent.residency.served_gpu import ServedGpu
from sublet_agent.state_files.canary_verdicts import CanaryVerdicts
from sublet_quota.reasons.fitness import Unfit, UnfitReason

from tests.support.agent_cases import Bench
from tests.support.fake_device import GPU, FakeDevice
from tests.support.trials import LIMITS, TrialBench

pytestmark = pytest.mark.asyncio
PASSED = "580.159.04"


class SetUpDevice(FakeDevice):
    """A card that is set up as the test says."""

    told: GpuSetup | None = None

    def setup(self, gpu_id: object) -> GpuSetup:
        return self.told or super().setup(gpu_id)


class SlowSecondCanary(ServedGpu):
    """A card on which the second canary does not answer."""

    def __init__(self, *of_card):
        super().__init__(*of_card)
        self.canaries = []
        self.second = asyncio.Event()

    def note_canary(self, canary):
        super().note_canary(canary)
        if canary is not None and canary not in self.canaries:
            self.canaries.append(canary)
            if len(self.canaries) == 2:
                os.kill(canary.pid, signal.SIGSTOP)
                self.second.set()


@dataclass
class Watch:
    """A watch over one card, with what it told."""

    bench: Bench | TrialBench
    limits: TrialLimits | None = field(default_factory=TrialLimits)
    told: list[str] = field(default_factory=list)
    card: type[ServedGpu] = ServedGpu

    def __post_init__(self) -> None:
        device = self.bench.tools.device
        first = device.gpus()[0]
        self.gpu = self.card(first, device.memory(first.gpu_id))
        self.verdicts = CanaryVerdicts(self.bench.folder / "canaries.json", "boot")
        residency = SimpleNamespace(gpu=self.gpu, poke=lambda: self.told.append("poke"))
        self.check = CardCheck(
            residency,  # type: ignore[arg-type]
            FitnessTools(
                moves=self.bench.tools,
                table=self.bench.table,
                samples=self.bench.pool,
                clock=self.bench.clock,
                changed=lambda: self.told.append("changed"),
                verdicts=self.verdicts,
                limits=self.limits,
            ),
        )

    def unfit(self) -> list[Unfit]:
        return [reason.why for reason in self.gpu.unfit]


@pytest.fixture
def bench(tmp_path):
    made = Bench(tmp_path, device=SetUpDevice())
    yield made
    made.close()


async def test_a_card_that_was_not_tried_is_being_checked(bench):
    watch = Watch(bench)
    await watch.check.look()
    assert watch.unfit() == [Unfit.BEING_CHECKED]
    assert watch.told == ["changed", "poke"]


async def test_a_card_that_has_passed_since_the_boot_is_fit(bench):
    watch = Watch(bench)
    watch.verdicts.keep(GPU, PASSED, None)
    await watch.check.look()
    assert watch.unfit() == []
    assert watch.told == []


async def test_under_another_driver_it_is_checked_again(bench):
    watch = Watch(bench)
    watch.verdicts.keep(GPU, "580.1", None)
    await watch.check.look()
    assert watch.unfit() == [Unfit.BEING_CHECKED]


async def test_a_card_that_lost_memory_stays_unfit(bench):
    watch = Watch(bench)
    lost = UnfitReason(Unfit.CANARY_LOST, "error 304")
    watch.verdicts.keep(GPU, PASSED, lost)
    await watch.check.look()
    assert watch.gpu.unfit == (lost,)


async def test_a_card_that_leaves_memory_to_others_is_not_tried_again_until_the_boot(bench):
    watch = Watch(bench)
    await watch.check.look()
    watch.check._judge(UnfitReason(Unfit.MEMORY_LEFT))
    bench.clock.passes(86_400)
    assert watch.unfit() == [Unfit.MEMORY_LEFT]
    assert not watch.check._is_due()
    of_next_agent = Watch(bench)
    await of_next_agent.check.look()
    assert of_next_agent.unfit() == [Unfit.MEMORY_LEFT]


async def test_where_no_card_is_tried_the_setup_alone_counts(bench):
    watch = Watch(bench, limits=None)
    await watch.check.look()
    assert watch.unfit() == []
    bench.device.told = replace(bench.device.setup(GPU), persistent=False)
    await watch.check.look()
    assert watch.unfit() == [Unfit.DRIVER_UNLOADS]


async def test_what_an_admin_puts_right_counts_without_a_new_agent(bench):
    watch = Watch(bench)
    watch.verdicts.keep(GPU, PASSED, None)
    well = bench.device.setup(GPU)
    bench.device.told = replace(well, compute_mode=ComputeMode.EXCLUSIVE)
    await watch.check.look()
    assert watch.gpu.closed is not None
    bench.device.told = well
    await watch.check.look()
    assert watch.gpu.closed is None
    assert watch.told == ["changed", "poke"] * 2


async def test_stopping_where_nothing_is_tried_waits_for_nothing(bench):
    watch = Watch(bench)
    await watch.check.look()
    await watch.check.stop()
    assert bench.table.signals == []


async def test_stopping_ends_a_trial_also_while_it_is_looked_for_what_the_canary_left(
    gpus, tmp_path
):
    bench = TrialBench(gpus, tmp_path)
    watch = Watch(bench, LIMITS, card=SlowSecondCanary)
    trying = asyncio.create_task(watch.check._try())
    await watch.gpu.second.wait()
    trying.cancel()
    with suppress(asyncio.CancelledError):
        await trying
    await watch.check.stop()
    # Whoever would have looked in its place was not started.
    assert len(watch.gpu.canaries) == 2
    assert watch.check._over.is_set()
    bench.close()
