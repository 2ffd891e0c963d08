"""What the driver helper adds to calls of the driver, over the stand-in for NVIDIA's libraries.

The baseline, in the same run and in turns with it, is the same call made by ``cuda-bindings`` in a
process of its own. Times are in microseconds. What the driver itself takes is the stand-in's, in
all rows: the differences are what helper and agent add, the ratios are not a card's.
Run it: ``python tests/benchmarks/driver_helper.py``.
"""

import ast
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sublet_agent.cgroups.attribution import Attribution
from sublet_agent.devices.nvidia import NvidiaDevice
from sublet_agent.driver_helper.client import DriverHelper
from sublet_agent.driver_helper.messages import DriverRequest, Operation
from sublet_agent.fitness.canary import SIZE_MIB
from sublet_agent.fitness.node_check import check_node
from sublet_agent.fitness.trial import TrialLimits
from sublet_agent.measurement.sample import SampleRequest, take_sample
from sublet_agent.processes.process_table import LinuxProcessTable, ProcessIdentity
from sublet_quota.names.ids import SliceId

from tests.support.nvidia_stand_in.cards import SMALL_GIB
from tests.support.nvidia_stand_in.stand_in import NvidiaStandIn
from tests.support.tenants import Tenant

ROUNDS = 20
EACH = 10
FEW = 3
AT_ONCE = 8
ON_THE_CARD = (1, AT_ONCE, 32)
EVERY_BYTE = 2**20
DIRECT = """
from tests.benchmarks.driver_helper import times
def must(result):
    assert int(result[0]) == 0, result
def state(pid):
    must(gpu.cuCheckpointProcessGetState(pid))
def states(pids):
    for pid in pids:
        state(pid)
def lock(pid):
    arguments = gpu.CUcheckpointLockArgs()
    arguments.timeoutMs = 1000
    must(gpu.cuCheckpointProcessLock(pid, arguments))
def pause(pid):
    lock(pid)
    must(gpu.cuCheckpointProcessUnlock(pid, None))
def move(pid):
    lock(pid)
    must(gpu.cuCheckpointProcessCheckpoint(pid, None))
    must(gpu.cuCheckpointProcessRestore(pid, None))
    must(gpu.cuCheckpointProcessUnlock(pid, None))
"""
SAMPLES = {
    "most samples": {"states": False},
    "once a second": {"states": True},
    "every 5 s": {"states": True, "looks": True},
}

callers = ThreadPoolExecutor(AT_ONCE)


def times(call: Callable[[Any], object], subjects: Sequence[Any], each: int) -> list[float]:
    """Return how long calls take that are made for all subjects at once."""

    def of_one(subject: Any) -> list[float]:
        taken = []
        for _ in range(each):
            began = time.perf_counter()
            call(subject)
            taken.append((time.perf_counter() - began) * 1e6)
        return taken

    return [taken for one in callers.map(of_one, subjects) for taken in one]


def once(call: Callable[[], object]) -> Callable[[], list[float]]:
    return lambda: times(lambda _: call(), [None], 1)


def compare(title: str, rounds: int, kinds: Mapping[str, Callable[[], list[float]]]) -> None:
    """Measure them in turns, and print a line for each; the first is the baseline."""
    taken: dict[str, list[float]] = {name: [] for name in kinds}
    for _ in range(rounds):
        for name, measure in kinds.items():
            taken[name] += measure()
    base: float | None = None
    print(f"\n{title:56} {'median':>9} {'p99':>9} {'to direct':>10} {'more':>9}")
    for name, each in taken.items():
        median, last = statistics.median(each), sorted(each)[int(0.99 * len(each))]
        beside = "" if base is None else f" {median / base:9.1f}x {median - base:9.0f}"
        base = median if base is None else base
        print(f"  {name:54} {median:9.0f} {last:9.0f}{beside}", flush=True)


class Direct:
    """A process that calls the driver itself."""

    def __init__(self, stand_in: NvidiaStandIn) -> None:
        self._process = Tenant.start("cuda.bindings.driver", stand_in.environment())
        self._process.run("gpu.cuInit(0)")

    def learn(self) -> "Direct":
        self._process.run(f"exec({DIRECT!r})")
        return self

    def times(self, call: str, subjects: Sequence[Any], each: int) -> list[float]:
        return ast.literal_eval(self._process.run(f"times({call}, {subjects}, {each})"))

    def close(self) -> None:
        self._process.close()


class Agent:
    """The agent's ways to the same calls."""

    def __init__(self, device: NvidiaDevice, helper: DriverHelper) -> None:
        self.device, self._helper, self._table = device, helper, LinuxProcessTable()

    def ask_state(self, pid: int) -> None:
        ticks = self._identity(pid).start_ticks
        request = DriverRequest(operation=Operation.STATE, pid=pid, start_ticks=ticks, within_s=60)
        assert self._helper.ask(request).state == 0

    def pause(self, pid: int) -> None:
        self.device.pause(pid, 1000)
        self.device.unpause(pid)

    def move(self, pid: int) -> None:
        self.device.pause(pid, 1000)
        self.device.suspend(pid)
        self.device.resume(pid)
        self.device.unpause(pid)

    def sample(self, pids: Sequence[int], *, states: bool, looks: bool = False) -> None:
        known = [self._identity(pid) for pid in pids]
        attribution = Attribution(self._table)
        for each in known:
            attribution.remember(each, SliceId("s"))
        request = SampleRequest(
            gpu_id=self.device.gpus()[0].gpu_id,
            generation=0,
            began=datetime.now(UTC),
            known=known,
            to_look_at=frozenset(known if looks else ()),
            ask_states=states,
        )
        sample = take_sample(self.device, self._table, attribution, lambda _: None, request)
        assert len(sample.processes) == len(pids)
        assert not sample.unknown

    def _identity(self, pid: int) -> ProcessIdentity:
        found = self._table.identify(pid)
        assert found is not None
        return found


def measure_calls(direct: Direct, agent: Agent, pids: list[int]) -> None:
    each = EACH if len(pids) == 1 else FEW

    def kinds(call: str, **ways: Callable[[int], object]) -> dict[str, Callable[[], list[float]]]:
        return {
            "direct": lambda: direct.times(call, pids, each),
            **{f"the {name}": lambda way=way: times(way, pids, each) for name, way in ways.items()},
        }

    of_state = kinds("state", helper=agent.ask_state, device=agent.device.state)
    compare(f"the state of a process, {len(pids)} at once", ROUNDS, of_state)
    if len(pids) == 1:
        compare("pause, unpause", ROUNDS, kinds("pause", device=agent.pause))
        compare("pause, suspend, resume, unpause", ROUNDS, kinds("move", device=agent.move))


def measure_samples(stand_in: NvidiaStandIn, direct: Direct, agent: Agent, pids: list[int]) -> None:
    kinds = {"direct: the states alone": lambda: direct.times("states", [pids], 1)}
    for name, asked in SAMPLES.items():
        stand_in.forget_calls()
        agent.sample(pids, **asked)
        made = [call["symbol"] for call in stand_in.calls()]
        cuda = sum(symbol.startswith("cu") for symbol in made)
        words = f"{name}: calls of CUDA {cuda}, of NVML {len(made) - cuda}"
        kinds[words] = once(lambda asked=asked: agent.sample(pids, **asked))
    compare(f"the agent's sample of a card, its processes: {len(pids)}", ROUNDS // 2, kinds)


def measure_start(stand_in: NvidiaStandIn, folder: Path) -> None:
    places = [folder / f"new-{number}" for number in range(FEW)]
    new = iter(map(DriverHelper, places))
    try:
        compare(
            "start until cuInit's result is known",
            FEW,
            {
                "direct: one process": once(lambda: Direct(stand_in).close()),
                "the helper and two workers": once(lambda: next(new).first_word()),
            },
        )
    finally:
        for place in places:
            DriverHelper(place).stop()


def measure_trial(folder: Path) -> None:
    options = {"mib_per_gib": SMALL_GIB, "bytes_per_mib": EVERY_BYTE, "speed": 1.0}
    with NvidiaStandIn.running(folder, **options) as stand_in, stand_in.device() as device:
        with closing(Direct(stand_in).learn()) as direct:
            tenant = stand_in.tenant()
            tenant.run(f"held = gpu.allocate(mib={SIZE_MIB})")
            moves = [direct.times("move", [tenant.pid], 1) for _ in range(FEW)]
            stand_in.end_tenants()

        def check(limits: TrialLimits | None) -> None:
            node = check_node(device, limits)
            assert node.fit, node.text

        compare(
            f"all checks of a card, where a GiB of a card's is {SMALL_GIB} MiB",
            FEW,
            {
                "direct: the moves of its trial alone": moves.pop,
                "without the trial": once(lambda: check(None)),
                f"with it: {SIZE_MIB} MiB of a canary of its own": once(
                    lambda: check(TrialLimits())
                ),
            },
        )


def main() -> None:
    print("microseconds; the driver is a stand-in, whose own time in all rows is not a card's")
    with tempfile.TemporaryDirectory(prefix="sublet-helper-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        with NvidiaStandIn.running(folder, mib_per_gib=SMALL_GIB) as stand_in:
            with stand_in.device() as device, closing(Direct(stand_in).learn()) as direct:
                agent = Agent(device, DriverHelper(folder / "driver-helper"))
                pids: list[int] = []
                for wanted in ON_THE_CARD:
                    for tenant in [stand_in.tenant() for _ in range(wanted - len(pids))]:
                        tenant.run("held = gpu.allocate(gib=1)")
                        pids.append(tenant.pid)
                    if wanted <= AT_ONCE:
                        measure_calls(direct, agent, pids)
                    measure_samples(stand_in, direct, agent, pids)
            with stand_in.in_this_process():
                measure_start(stand_in, folder)
        measure_trial(folder)


if __name__ == "__main__":
    try:
        main()
    except pytest.skip.Exception as why:
        print(f"nothing to measure: {why}")
