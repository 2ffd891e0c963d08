"""Whatever is asked, in whatever order: memory adds up, and nobody's bytes change unasked."""

from hypothesis import given, settings
from hypothesis import strategies as st
from sublet_agent.simulated.machine.card import Card
from sublet_agent.simulated.machine.operations import OperationKind
from sublet_agent.simulated.machine.speeds import INSTANT, Speeds

from tests.support.simulated_machine import Bench

SHORTEST_S = 0.001
PIDS = (1, 2, 3)
HANDLES = (1, 2)
CARD_MIB = 4096

KINDS = (
    OperationKind.LOCK,
    OperationKind.CHECKPOINT,
    OperationKind.RESTORE,
    OperationKind.UNLOCK,
)
pids, handles = st.sampled_from(PIDS), st.sampled_from(HANDLES)
steps = st.one_of(
    st.tuples(st.just("allocate"), pids, handles, st.integers(1, 900).map(lambda n: 2 * n)),
    st.tuples(st.just("free"), pids, handles),
    st.tuples(st.just("fill"), pids, handles, st.integers(0, 5)),
    st.tuples(st.just("compute"), pids, st.floats(0, 0.5)),
    st.tuples(st.just("operate"), pids, st.sampled_from(KINDS)),
    st.tuples(st.just("operate"), pids, st.sampled_from(KINDS)),
    st.tuples(st.just("end"), pids),
    st.tuples(st.just("time"), st.floats(0, 2)),
)


def do(bench: Bench, step: tuple) -> None:
    match step:
        case "allocate", pid, handle, mib:
            bench.tenant(pid).allocate(handle, mib)
        case "free", pid, handle:
            bench.tenant(pid).free(handle)
        case "fill", pid, handle, seed:
            bench.tenant(pid).fill(handle, seed)
        case "compute", pid, seconds:
            bench.tenant(pid).compute(seconds)
        case "operate", pid, kind:
            bench.operate(kind, pid, timeout_ms=100)
        case "end", pid:
            bench.machine.end(pid, "test")
        case "time", seconds:
            bench.pass_time(seconds)


def check_memory_adds_up(card: Card) -> None:
    places = [
        extent
        for process in card.processes.values()
        for buffer in process.all_buffers()
        if buffer.place is not None
        for extent in buffer.place.extents
    ]
    assert sum(each.length_mib for each in places) + card.store.free_mib == CARD_MIB
    end = 0
    for extent in sorted(places, key=lambda each: each.start_mib):
        assert extent.start_mib >= end, "two buffers in one place"
        end = extent.start_mib + extent.length_mib
    assert end <= CARD_MIB


@settings(max_examples=150)
@given(st.lists(steps, max_size=40), st.sampled_from([INSTANT, Speeds().faster(2)]))
def test_memory_adds_up_and_bytes_are_intact_after_every_step(
    walk: list[tuple], speeds: Speeds
) -> None:
    bench = Bench(speeds, memory_mib=CARD_MIB)
    for step in walk:
        do(bench, step)
        check_memory_adds_up(bench.card)
        for process in bench.inspect()["processes"]:
            assert not any(buffer["intact"] is False for buffer in process["buffers"])
            if process["lost"]:
                assert process["poisoned"]
                assert process["state"] == "checkpointed"
    for pid in PIDS:
        bench.machine.end(pid, "test")
    assert bench.free_mib == CARD_MIB
    assert not bench.machine.bytes.has_work


@settings(max_examples=60)
@given(
    st.lists(st.tuples(pids, st.floats(SHORTEST_S, 0.3)), min_size=1, max_size=8),
    st.lists(st.floats(0, 0.2), max_size=20),
)
def test_kernels_take_in_all_what_they_take_alone_and_the_changes_between_processes(
    jobs: list[tuple[int, float]], pauses: list[float]
) -> None:
    bench = Bench(Speeds(), memory_mib=CARD_MIB)
    replies = [bench.tenant(pid).compute(seconds) for pid, seconds in jobs]
    for pause in pauses:
        bench.pass_time(pause)
    bench.pass_time(10)
    total = sum(seconds for _, seconds in jobs)
    assert all(reply.ok for reply in replies)
    last_s = max(reply.at_s for reply in replies)
    # What a change from one process to the next costs, after the shortest stretch there is.
    alone = len({pid for pid, _ in jobs}) == 1
    dearest = 1.0 if alone else 1 + Speeds().context_switch_s / SHORTEST_S
    assert total - 1e-4 <= last_s <= total * dearest + 1e-4
