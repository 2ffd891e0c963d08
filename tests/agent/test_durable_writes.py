"""A file that is replaced holds the old or the new, and who appends to it is read."""

import os
import stat
from pathlib import Path

import pytest
from sublet_agent.durable_writes import replace_file, replace_open_file, write_all


def handles() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_what_is_appended_after_a_replacement_is_in_the_file_of_that_name(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    path.write_bytes(b"old\n")
    handle = replace_open_file(path, b"new\n")
    write_all(handle, b"more\n")
    os.close(handle)
    assert path.read_bytes() == b"new\nmore\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("forced", [False, True], ids=["written", "forced to disk"])
def test_a_replaced_file_holds_just_what_was_given(tmp_path: Path, *, forced: bool) -> None:
    path = tmp_path / "state.json"
    path.write_bytes(b"what was there before, and was longer")
    replace_file(path, b"new", forced=forced)
    assert path.read_bytes() == b"new"


def test_a_replacement_that_fails_leaves_what_was_there_and_no_handle(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    (path / "below").mkdir(parents=True)
    before = handles()
    with pytest.raises(OSError, match="directory"):
        replace_file(path, b"new")
    assert (path / "below").is_dir()
    assert handles() == before
