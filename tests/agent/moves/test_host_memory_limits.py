"""How far a process may grow inside the limits of its control groups."""

from pathlib import Path

import pytest
from sublet_agent.moves.host_memory import HostMemory, room_in_limits_mib
from sublet_agent.processes.process_table import ProcessIdentity

MIB = 1024 * 1024
V1 = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
V2 = ("memory.max", "memory.current", "inactive_file")
POD = "/kubepods/burstable/pod7"


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    (tmp_path / "proc/7").mkdir(parents=True)
    return tmp_path / "proc"


def is_in(proc: Path, *lines: str) -> None:
    (proc / "7/cgroup").write_text("".join(f"{line}\n" for line in lines))


def group(folder: Path, names: tuple[str, str, str], limit: object, used: int, files: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    text = str(limit * MIB) if isinstance(limit, int) else str(limit)
    (folder / names[0]).write_text(text)
    (folder / names[1]).write_text(str(used * MIB))
    (folder / "memory.stat").write_text(f"anon 5\n{names[2]} {files * MIB}\n")


def test_the_tightest_limit_above_a_process_counts_and_kept_files_make_room(
    tmp_path: Path, proc: Path
) -> None:
    tree = tmp_path / "tree"
    group(tree / "a", V2, 1000, 400, 100)
    group(tree / "a/b", V2, "max", 300, 0)
    is_in(proc, "0::/a/b")
    assert room_in_limits_mib(7, tree, proc=proc) == 700
    group(tree / "a/b", V2, 500, 450, 20)
    assert room_in_limits_mib(7, tree, proc=proc) == 70


def test_version_1_has_a_tree_of_its_own_for_memory(tmp_path: Path, proc: Path) -> None:
    tree = tmp_path / "tree"
    group(tree / "memory/a", V1, 1000, 400, 0)
    is_in(proc, "5:cpu,cpuacct:/x", "4:memory:/a", "0::/x")
    (tree / "unified").mkdir()
    assert room_in_limits_mib(7, tree, proc=proc) == 600


def test_from_within_a_container_the_limits_are_the_pods_and_not_ones_own(
    tmp_path: Path, proc: Path
) -> None:
    tree = tmp_path / "tree"
    group(tree, V2, "max", 0, 0)
    group(tree / POD.lstrip("/"), V2, 3000, 1000, 0)
    group(tree / POD.lstrip("/") / "main", V2, 2500, 1000, 0)
    is_in(proc, "0::/../../burstable/pod7/main")
    assert room_in_limits_mib(7, tree, POD, proc) == 1500
    # Nobody knows where that is.
    assert room_in_limits_mib(7, tree, None, proc) == 0
    assert room_in_limits_mib(7, tree, "/kubepods/burstable/pod8", proc) == 0


def test_without_limits_there_is_no_limit(tmp_path: Path, proc: Path) -> None:
    is_in(proc, "0::/a")
    assert room_in_limits_mib(7, tmp_path / "tree", proc=proc) is None
    (proc / "7/cgroup").unlink()
    assert room_in_limits_mib(7, tmp_path / "tree", proc=proc) is None


class _Meminfo:
    left_mib: int | None = None


def test_what_images_may_take_in_all_is_the_same_wherever_they_lie() -> None:
    meminfo = _Meminfo()
    host = HostMemory(1000, lambda: meminfo.left_mib)
    first, second = (ProcessIdentity("boot", pid, 1) for pid in (1, 2))
    assert host.in_all_mib() == 1000
    assert host.reserve({first: 300})
    assert (host.free_mib(), host.in_all_mib()) == (700, 1000)
    meminfo.left_mib = 500
    assert host.in_all_mib() == 500, "what is on its way is not in the machine's count yet"
    host.settle(first, 300)
    meminfo.left_mib = 200
    assert host.in_all_mib() == 500, "of 1000 the machine has used 500 for something else"
    host.settle(second, 100)
    host.release(first)
    assert host.in_all_mib() == 300


def test_what_the_machine_has_is_all_there_is_also_for_an_agent_that_began_anew() -> None:
    # Of 1000 MiB 600 are images that were there before: the machine's own count has them already.
    host = HostMemory(None, lambda: 400)
    host.settle(ProcessIdentity("boot", 1, 1), 600)
    assert (host.free_mib(), host.in_all_mib()) == (400, 1000)
    assert HostMemory(None, lambda: None).free_mib() == 0, "nothing is known of it"
