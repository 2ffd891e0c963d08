"""Who keeps its memory from being read holds up nobody, and gains nothing by it."""

import contextlib
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from sublet_procfs import reader_process
from sublet_procfs.reader import Reader, ReaderLostError
from sublet_procfs.tenant_memory import ReadingLimits, TenantMemory

from tests.support.held_memory import holding_process, memory_held, pretended_process
from tests.support.simulated_gpus import wait_until

ADA, BEN = 1001, 1002
PATIENCE_S = 60
NAME = "SUBLET_SLICE_ID"


class Readers:
    """The readers of one test: those asked for ``held`` files never answer in time."""

    def __init__(self) -> None:
        self.now = 0.0
        self.started = 0
        self.asked = 0
        self.given_up = 0
        self.immortal = False
        self.broken = 0
        self.took_s = 0.0
        self.told: dict[str, float] = {}
        self.meanwhile: Callable[[], None] = lambda: None

    def start(self) -> "Readers":
        self.started += 1
        return self

    def ask(self, request: Mapping[str, Any], within_s: float) -> dict[str, Any]:
        self.asked += 1
        self.meanwhile()
        if self.broken:
            self.broken -= 1
            raise ReaderLostError("gone")
        if Path(request["path"]).is_fifo():
            self.now += within_s
            raise TimeoutError
        self.now += self.took_s
        return {"found": [f"{NAME}=mine"], **self.told}

    def give_up(self) -> bool:
        self.given_up += 1
        return not self.immortal

    def has_ended(self) -> bool:
        return not self.immortal


@pytest.fixture
def readers() -> Readers:
    return Readers()


@pytest.fixture
def memory(readers: Readers) -> TenantMemory:
    return TenantMemory(ReadingLimits(), readers.start, lambda: readers.now)


@pytest.fixture
def real() -> Iterator[TenantMemory]:
    with TenantMemory(ReadingLimits(within_s=0.5)) as made:
        yield made


def test_variables_are_read_of_the_environment(real: TenantMemory, tmp_path: Path) -> None:
    text = (
        b"A=1\0" + b"SUBLET_SLICE_ID=s=1\0" + b"SUBLET_SLICE_ID=again\0" + b"X_SUBLET_SLICE_ID=9\0"
    )
    pretended_process(tmp_path, 7, text)
    assert real.variables(7, NAME, tmp_path) == ("s=1", "again")
    assert real.variables(7, "NOT_THERE", tmp_path) == ()


def test_what_is_mapped_is_looked_for_and_not_brought_here(
    real: TenantMemory, tmp_path: Path
) -> None:
    maps = pretended_process(tmp_path, 7) / "maps"
    maps.write_text("".join(f"{i:x}-{i:x} r--p 0 00:00 0    /lib/x{i}.so\n" for i in range(50_000)))
    assert real.mapped(7, ["/x49999.so", "/x50000.so"], tmp_path) == {"/x49999.so"}


@pytest.mark.parametrize("before", range(65_536 - 12, 65_536 + 2))
def test_what_is_looked_for_is_found_wherever_it_stands(before: int, tmp_path: Path) -> None:
    maps = tmp_path / "maps"
    maps.write_text("x" * before + "/needle.so\n")
    assert reader_process.mapped(str(maps), ["/needle.so", "/no.so"]) == ["/needle.so"]


def test_a_process_that_is_gone_is_said_to_be(real: TenantMemory, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        real.variables(7, NAME, tmp_path)
    (pretended_process(tmp_path, 8) / "environ").unlink()
    with pytest.raises(FileNotFoundError):
        real.variables(8, NAME, tmp_path)


def test_a_real_process_is_read(real: TenantMemory) -> None:
    child = subprocess.Popen(
        [sys.executable, "-S", "-c", "input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={NAME: "s1"},
    )
    with child:
        assert real.variables(child.pid, NAME) == ("s1",)
        assert real.mapped(child.pid, ["[stack]", "no such file"]) == {"[stack]"}


def test_a_read_that_waits_is_given_up_and_the_next_one_answers(
    real: TenantMemory, tmp_path: Path
) -> None:
    holding_process(tmp_path, 7, uid=ADA)
    pretended_process(tmp_path, 8, b"SUBLET_SLICE_ID=s2\0", uid=BEN)
    with pytest.raises(TimeoutError):
        real.variables(7, NAME, tmp_path)
    assert real.variables(8, NAME, tmp_path) == ("s2",)
    # It was killed, and ends when it gets a processor.
    wait_until(lambda: real.left_behind == 0)


def test_six_who_let_wait_do_not_hold_up_another_account(
    real: TenantMemory, tmp_path: Path
) -> None:
    def look(pid: int) -> None:
        with pytest.raises(TimeoutError):
            real.variables(pid, NAME, tmp_path)

    for pid in range(10, 16):
        holding_process(tmp_path, pid, uid=ADA)
    pretended_process(tmp_path, 8, b"SUBLET_SLICE_ID=s2\0", uid=BEN)
    held = [threading.Thread(target=look, args=(pid,)) for pid in range(10, 16)]
    for thread in held:
        thread.start()
    assert real.variables(8, NAME, tmp_path) == ("s2",)
    for thread in held:
        thread.join(PATIENCE_S)
        assert not thread.is_alive()


def test_an_account_that_lets_wait_is_not_read_for_a_while(
    memory: TenantMemory, readers: Readers, tmp_path: Path
) -> None:
    holding_process(tmp_path, 7, uid=ADA)
    pretended_process(tmp_path, 8, uid=ADA)
    pretended_process(tmp_path, 9, uid=BEN)
    for _ in range(5):
        with pytest.raises(TimeoutError):
            memory.variables(7, NAME, tmp_path)
    with pytest.raises(TimeoutError):
        memory.variables(8, NAME, tmp_path)
    assert readers.asked == 2
    assert memory.variables(9, NAME, tmp_path) == ("mine",)
    readers.now += 60
    assert memory.variables(8, NAME, tmp_path) == ("mine",)


def test_reads_that_end_just_in_time_are_not_made_without_end(
    memory: TenantMemory, readers: Readers, tmp_path: Path
) -> None:
    readers.took_s = 0.9
    for pid in range(100):
        pretended_process(tmp_path, pid, uid=ADA)
        with contextlib.suppress(TimeoutError):
            memory.mapped(pid, ["x"], tmp_path)
    assert readers.now < 3
    with pytest.raises(TimeoutError, match="account 1001"):
        memory.variables(7, NAME, tmp_path)
    readers.took_s = 0.0
    pretended_process(tmp_path, 1000, uid=BEN)
    assert memory.variables(1000, NAME, tmp_path) == ("mine",)
    readers.now += 60
    assert memory.variables(7, NAME, tmp_path) == ("mine",)


def test_in_any_minute_a_tenant_takes_no_more_than_three_seconds(
    memory: TenantMemory, readers: Readers, tmp_path: Path
) -> None:
    pretended_process(tmp_path, 7, uid=ADA)
    took: list[tuple[float, float]] = []
    for tenth in range(3000):
        readers.now = max(readers.now, tenth / 10)
        readers.took_s = (0.05, 0.9, 0.004, 0.3)[tenth % 4]
        began = readers.now
        with contextlib.suppress(TimeoutError):
            memory.mapped(7, ["x"], tmp_path)
        took.append((began, readers.now - began))
    for began, _ in took:
        assert sum(s for at, s in took if began <= at < began + 60) < 3


def test_sixteen_honest_processes_with_many_mappings_are_always_looked_at(
    memory: TenantMemory, readers: Readers, tmp_path: Path
) -> None:
    # Of 3,000 mappings each, on a slow machine: every five seconds, for ten minutes.
    readers.told = {"took_s": 0.008}
    for pid in range(16):
        pretended_process(tmp_path, pid, uid=ADA)
    for _ in range(120):
        for pid in range(16):
            assert memory.mapped(pid, ["x"], tmp_path)
        readers.now += 5


def test_what_reads_wait_for_a_processor_is_no_tenants_fault(
    memory: TenantMemory, readers: Readers, tmp_path: Path
) -> None:
    # Of these seconds the reader itself used little, it says.
    readers.took_s, readers.told = 2.0, {"took_s": 0.01}
    pretended_process(tmp_path, 7, uid=ADA)
    for _ in range(20):
        assert memory.variables(7, NAME, tmp_path) == ("mine",)


def test_a_thousand_honest_processes_are_read_again_and_again(
    memory: TenantMemory, readers: Readers, tmp_path: Path
) -> None:
    readers.told = {"took_s": 0.0015}
    pretended_process(tmp_path, 7, uid=ADA)
    for _ in range(20_000):
        assert memory.variables(7, NAME, tmp_path) == ("mine",)


def test_of_more_mapped_than_is_read_it_is_not_said_that_something_is_not_there(
    real: TenantMemory, tmp_path: Path
) -> None:
    line = f"0-1 r--p 0 00:00 0    /{'x' * 1000}\n"
    maps = pretended_process(tmp_path, 7) / "maps"
    maps.write_text("0-1 r--p 0 00:00 0    /early.so\n" + line * 10_000)
    with pytest.raises(OSError, match="more of it than is read") as told:
        real.mapped(7, ["/late.so"], tmp_path)
    assert not isinstance(told.value, FileNotFoundError | ProcessLookupError)
    assert real.mapped(7, ["/early.so"], tmp_path) == {"/early.so"}


def test_of_a_longer_environment_than_is_read_neither(real: TenantMemory, tmp_path: Path) -> None:
    pretended_process(tmp_path, 7, b"A=" + b"x" * 5 * 2**20 + b"\0SUBLET_SLICE_ID=s\0")
    with pytest.raises(OSError, match="more of it than is read"):
        real.variables(7, NAME, tmp_path)


POD_OF_ADA, POD_OF_BEN = "owner 'ada'", "owner 'ben'"


def test_of_two_tenants_with_one_account_the_one_who_lets_wait_keeps_only_itself_unread(
    memory: TenantMemory, tmp_path: Path
) -> None:
    holding_process(tmp_path, 7, uid=1000)
    pretended_process(tmp_path, 8, uid=1000)
    pretended_process(tmp_path, 9, uid=1000)
    for _ in range(5):
        with pytest.raises(TimeoutError, match=POD_OF_ADA):
            memory.variables(7, NAME, tmp_path, whose=POD_OF_ADA)
    with pytest.raises(TimeoutError, match=POD_OF_ADA):
        memory.mapped(8, ["x"], tmp_path, POD_OF_ADA)
    assert memory.variables(9, NAME, tmp_path, whose=POD_OF_BEN) == ("mine",)
    assert memory.mapped(9, ["x"], tmp_path, POD_OF_BEN) == {f"{NAME}=mine"}
    # Nor are they the account's own, which others of it have.
    assert memory.variables(9, NAME, tmp_path) == ("mine",)


def test_two_tenants_with_one_account_are_read_side_by_side(
    real: TenantMemory, tmp_path: Path
) -> None:
    holding_process(tmp_path, 7, uid=1000)
    pretended_process(tmp_path, 8, b"SUBLET_SLICE_ID=s2\0", uid=1000)
    began = threading.Event()

    def hold() -> None:
        began.set()
        with pytest.raises(TimeoutError):
            real.variables(7, NAME, tmp_path, whose=POD_OF_ADA)

    held = threading.Thread(target=hold)
    held.start()
    began.wait(PATIENCE_S)
    assert real.variables(8, NAME, tmp_path, whose=POD_OF_BEN) == ("s2",)
    held.join(PATIENCE_S)


def test_one_tenant_leaves_one_reader_behind_however_many_processes_it_has(
    memory: TenantMemory, readers: Readers, tmp_path: Path
) -> None:
    readers.immortal = True
    pretended_process(tmp_path, 8, uid=1000)
    for pid in range(10, 50):
        holding_process(tmp_path, pid, uid=1000)
        readers.now += 61
        with pytest.raises(TimeoutError):
            memory.mapped(pid, ["x"], tmp_path, POD_OF_ADA)
    assert memory.left_behind == 1
    assert memory.variables(8, NAME, tmp_path, whose=POD_OF_BEN) == ("mine",)


def test_readers_that_nothing_ends_are_few(
    memory: TenantMemory, readers: Readers, tmp_path: Path
) -> None:
    readers.immortal = True
    for uid in range(1001, 1021):
        holding_process(tmp_path, uid, uid=uid)
        for _ in range(4):
            readers.now += 61
            with pytest.raises(TimeoutError):
                memory.variables(uid, NAME, tmp_path)
    assert memory.left_behind == 16
    assert readers.asked == 16
    # As soon as their tenants have ended, they end too, and all is read again.
    readers.immortal = False
    pretended_process(tmp_path, 8, uid=BEN)
    readers.now += 61
    assert memory.variables(8, NAME, tmp_path) == ("mine",)


def test_a_reader_that_is_gone_is_replaced_once(
    memory: TenantMemory, readers: Readers, tmp_path: Path
) -> None:
    pretended_process(tmp_path, 8, uid=BEN)
    assert memory.variables(8, NAME, tmp_path) == ("mine",)
    readers.broken = 1
    assert memory.variables(8, NAME, tmp_path) == ("mine",)
    assert readers.started == 2
    readers.broken = 9
    with pytest.raises(OSError, match="again and again"):
        memory.variables(8, NAME, tmp_path)


def test_a_reader_that_is_in_a_read_when_all_are_closed_ends_with_that(
    memory: TenantMemory, readers: Readers, tmp_path: Path
) -> None:
    pretended_process(tmp_path, 8, uid=BEN)
    readers.meanwhile = memory.close
    assert memory.variables(8, NAME, tmp_path) == ("mine",)
    assert readers.given_up == readers.started == 1


def test_after_all_are_closed_nothing_is_read_and_no_reader_started(
    memory: TenantMemory, readers: Readers, tmp_path: Path
) -> None:
    pretended_process(tmp_path, 8, uid=BEN)
    assert memory.variables(8, NAME, tmp_path) == ("mine",)
    memory.close()
    with pytest.raises(OSError, match="closed"):
        memory.variables(8, NAME, tmp_path)
    assert readers.given_up == readers.started == 1


def test_a_reader_ends_when_nobody_asks_any_more() -> None:
    reader = Reader.start()
    stdin = reader._process.stdin
    assert stdin is not None
    stdin.close()
    assert reader._process.wait(PATIENCE_S) == 0
    reader.give_up()


def test_a_process_that_holds_its_memory_map_keeps_nobody_waiting(
    real: TenantMemory, tmp_path: Path
) -> None:
    with memory_held(tmp_path) as holds:
        with pytest.raises(TimeoutError):
            real.variables(holds.pid, "PATH")
        assert holds.still()
