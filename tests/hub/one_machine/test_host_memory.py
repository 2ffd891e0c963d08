"""How much host memory a program has left inside its control groups."""

from pathlib import Path

from sublet_hub.host.host_memory import host_memory_left_gib, room_in_groups_gib

GIB = 2**30
NAMES = {
    2: ("memory.max", "memory.current", "inactive_file"),
    1: ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
}


def group(folder: Path, version: int, *, most: str, used: int, files: int = 0) -> None:
    limit, usage, kept = NAMES[version]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / limit).write_text(f"{most}\n")
    (folder / usage).write_text(f"{used}\n")
    (folder / "memory.stat").write_text(f"anon 5\n{kept} {files}\n")


def test_every_level_with_a_limit_counts_and_files_that_were_read_make_room(tmp_path):
    group(tmp_path / "pods" / "mine", 2, most=str(128 * GIB), used=20 * GIB, files=4 * GIB)
    group(tmp_path / "pods", 2, most=str(200 * GIB), used=150 * GIB)
    group(tmp_path, 2, most="max", used=160 * GIB)
    assert room_in_groups_gib("0::/pods/mine\n", tmp_path) == [112, 50]


def test_the_older_kind_of_groups_is_read_too(tmp_path):
    group(tmp_path / "memory" / "mine", 1, most=str(64 * GIB), used=4 * GIB)
    assert room_in_groups_gib("4:cpu:/mine\n3:memory:/mine\n", tmp_path) == [60]


def test_a_group_of_which_nothing_is_seen_has_no_limit(tmp_path):
    assert room_in_groups_gib("0::/elsewhere\n", tmp_path) == []


def test_this_machine_has_some_left():
    assert host_memory_left_gib() > 0
