"""Files beside a notebook go with its job: what is copied, what stays behind, what is refused."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sublet_lab.runner.taking_along import (
    Budget,
    TakingError,
    TooLargeError,
    copy_at_most_once,
    copy_beside,
    copy_files,
    count_files,
    settle,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "project"
    (made / "data" / "deep").mkdir(parents=True)
    (made / "train.ipynb").write_text("{}")
    (made / "model.py").write_text("x = 1")
    (made / "data" / "a.csv").write_text("1,2")
    (made / "data" / "deep" / "b.csv").write_text("3,4")
    return made


def take(folder: Path, *paths: str, budget: Budget | None = None) -> dict[str, str]:
    """Copy, and return what is in the copy."""
    target = folder.parent / "copy"
    copy_files(folder / "train.ipynb", paths, target, budget or Budget())
    return {
        str(path.relative_to(target)): path.read_text()
        for path in sorted(target.rglob("*"))
        if path.is_file()
    }


def test_the_notebook_and_the_named_paths_are_copied_where_they_were(folder: Path) -> None:
    assert take(folder, "data/deep", "model.py") == {
        "train.ipynb": "{}",
        "model.py": "x = 1",
        "data/deep/b.csv": "3,4",
    }


def test_a_dot_takes_the_whole_folder_but_hidden_files_caches_and_results(folder: Path) -> None:
    for left in (".git", "__pycache__", "sublet-jobs", ".ipynb_checkpoints"):
        (folder / left).mkdir()
        (folder / left / "file").write_text("no")
    assert set(take(folder, ".")) == {"train.ipynb", "model.py", "data/a.csv", "data/deep/b.csv"}


def test_paths_that_overlap_are_copied_once(folder: Path) -> None:
    budget = Budget()
    take(folder, "data", "data/a.csv", ".", budget=budget)
    assert budget.files == 4


def test_a_hidden_file_is_taken_when_it_is_named(folder: Path) -> None:
    (folder / ".settings").write_text("a=1")
    assert take(folder, ".settings")[".settings"] == "a=1"


def test_an_executable_stays_one(folder: Path) -> None:
    (folder / "run.sh").write_text("#!/bin/sh")
    (folder / "run.sh").chmod(0o755)
    take(folder, "run.sh")
    assert os.access(folder.parent / "copy" / "run.sh", os.X_OK)


@pytest.mark.parametrize("path", ["../secret", "/etc/passwd", "data/../../secret", "sublet-jobs/x"])
def test_a_path_out_of_the_folder_is_refused(folder: Path, path: str) -> None:
    (folder.parent / "secret").write_text("canary")
    # From here the same path leads elsewhere: nothing there keeps it from being copied.
    target = folder.parent / "results" / "of" / "copy"
    with pytest.raises(TakingError):
        copy_files(folder / "train.ipynb", [path], target, Budget())
    assert not (folder.parent / "results").exists()


def test_a_link_is_refused_when_it_is_named_and_stays_behind_in_a_folder(folder: Path) -> None:
    (folder.parent / "secret").write_text("canary")
    (folder / "data" / "link").symlink_to(folder.parent / "secret")
    (folder / "elsewhere").symlink_to(folder.parent, target_is_directory=True)
    with pytest.raises(TakingError, match="is a link"):
        take(folder, "data/link")
    with pytest.raises(TakingError, match="link"):
        take(folder, "elsewhere/secret")
    taken = take(folder, ".")
    assert "canary" not in str(taken)
    assert "data/a.csv" in taken


def test_a_pipe_is_not_waited_for(folder: Path) -> None:
    os.mkfifo(folder / "data" / "pipe")
    assert "data/pipe" not in take(folder, "data")
    with pytest.raises(TakingError, match="neither a file nor a folder"):
        copy_files(folder / "train.ipynb", ["data/pipe"], folder.parent / "other", Budget())


@pytest.mark.parametrize(
    ("budget", "words"), [(Budget(most_files=3), "3 files"), (Budget(most_bytes=2**20), "1 MiB")]
)
def test_a_folder_too_large_is_refused_and_nothing_is_left(
    folder: Path, budget: Budget, words: str
) -> None:
    (folder / "large").write_bytes(b"x" * (2**20 + 1))
    with pytest.raises(TooLargeError, match=words):
        take(folder, ".", budget=budget)
    assert not (folder.parent / "copy").exists()


def test_what_is_not_there_is_said_so(folder: Path) -> None:
    with pytest.raises(TakingError, match="nothing"):
        take(folder, "nothing.csv")


def test_a_copy_never_writes_into_what_is_there(folder: Path) -> None:
    (folder.parent / "copy").mkdir()
    with pytest.raises(TakingError, match="cannot be made"):
        take(folder, ".")


def test_what_is_left_of_a_copy_that_was_cut_short_goes_away_later(folder: Path) -> None:
    target = folder.parent / "copy"
    old, young = (folder.parent / f".copy-{name}" for name in ("old", "young"))
    for part in (old, young):
        part.mkdir()
        (part / "train.ipynb").write_text("{")
    os.utime(old, (0, 0))
    copy_at_most_once(folder / "train.ipynb", ("data",), target, Budget())
    assert (target / "train.ipynb").read_text() == "{}"
    assert (target / "data" / "a.csv").read_text() == "1,2"
    assert not old.exists()
    assert young.exists()


def test_who_copies_later_than_another_leaves_that_copy_and_nothing_of_its_own(
    folder: Path,
) -> None:
    target = folder.parent / "copy"
    mine = copy_beside(folder / "train.ipynb", (), target, Budget())
    copy_at_most_once(folder / "train.ipynb", ("data",), target, Budget())
    settle(mine, target)
    assert (target / "data" / "a.csv").exists()
    assert not mine.exists()


def test_a_notebook_that_is_a_link_is_copied_under_its_own_name(folder: Path) -> None:
    (folder / "elsewhere").mkdir()
    (folder / "train.ipynb").rename(folder / "elsewhere" / "real.ipynb")
    (folder / "train.ipynb").symlink_to("elsewhere/real.ipynb")
    assert take(folder, "model.py") == {"train.ipynb": "{}", "model.py": "x = 1"}


def test_a_copy_has_its_name_only_when_it_is_whole(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = folder.parent / "copy"
    seen: list[bool] = []
    write = os.write

    def note(descriptor: int, data: bytes) -> int:
        seen.append(target.exists())
        return write(descriptor, data)

    monkeypatch.setattr(os, "write", note)
    copy_at_most_once(folder / "train.ipynb", ("data",), target, Budget())
    assert seen == [False] * 3
    assert target.exists()


def test_what_was_copied_once_stays_as_it_is(folder: Path) -> None:
    target = folder.parent / "copy"
    copy_at_most_once(folder / "train.ipynb", (), target, Budget())
    (folder / "train.ipynb").write_text("changed")
    copy_at_most_once(folder / "train.ipynb", (), target, Budget())
    assert (target / "train.ipynb").read_text() == "{}"


def when_looked_at(
    monkeypatch: pytest.MonkeyPatch, name: str, change: Callable[[], None]
) -> list[str]:
    """Make a change right after it was looked at what ``name`` is, as a quick tenant would."""
    look, looked = os.stat, []

    def look_and_change(path: Any, *arguments: Any, **options: Any) -> os.stat_result:
        seen = look(path, *arguments, **options)
        if path == name and options.get("dir_fd") is not None and not looked:
            looked.append(name)
            change()
        return seen

    monkeypatch.setattr(os, "stat", look_and_change)
    return looked


def swap_for_link(path: Path, to: Path) -> None:
    path.rename(path.with_name(f"{path.name}-before"))
    path.symlink_to(to)


@pytest.mark.parametrize("named", ["a.csv", "data/a.csv", "data", "."])
def test_a_file_that_is_swapped_for_a_link_meanwhile_is_not_followed(
    folder: Path, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    secret = folder.parent / "secret"
    secret.write_text("canary")
    swapped = folder / ("a.csv" if named == "a.csv" else "data/a.csv")
    swapped.write_text("1,2")
    looked = when_looked_at(monkeypatch, "a.csv", lambda: swap_for_link(swapped, secret))
    with pytest.raises(TakingError):
        take(folder, named)
    assert looked
    assert not (folder.parent / "copy").exists()


@pytest.mark.parametrize("named", ["data", "."])
def test_a_folder_that_is_swapped_for_a_link_meanwhile_is_not_followed(
    folder: Path, monkeypatch: pytest.MonkeyPatch, named: str
) -> None:
    others = folder.parent / "others"
    others.mkdir()
    (others / "secret").write_text("canary")
    looked = when_looked_at(monkeypatch, "data", lambda: swap_for_link(folder / "data", others))
    with pytest.raises(TakingError):
        take(folder, named)
    assert looked
    assert not (folder.parent / "copy").exists()


def test_a_folder_that_is_swapped_for_a_link_while_it_is_counted_is_not_followed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    when_looked_at(monkeypatch, "data", lambda: swap_for_link(folder / "data", folder.parent))
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with pytest.raises(NotADirectoryError):
            count_files(descriptor, "data", Budget())
    finally:
        os.close(descriptor)


def test_a_pipe_that_is_put_in_a_files_place_meanwhile_is_not_waited_for(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = folder / "data" / "a.csv"

    def swap() -> None:
        file.unlink()
        os.mkfifo(file)

    looked = when_looked_at(monkeypatch, "a.csv", swap)
    with pytest.raises(TakingError, match="no regular file any more"):
        take(folder, "data/a.csv")
    assert looked


@pytest.mark.parametrize("where", ["data", "data/a.csv"])
def test_nothing_is_written_through_a_link_that_is_put_into_the_copy_meanwhile(
    folder: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """The copy grows in a folder of the owner's, into which other programs of theirs write."""
    outside = folder.parent / "outside"
    outside.mkdir()
    link = folder.parent / "copy" / where
    points_at = outside
    if where == "data/a.csv":
        points_at = outside / "a.csv"
        points_at.write_text("untouched")
    before = {path.name: path.read_text() for path in outside.iterdir()}

    def put_link() -> None:
        link.parent.mkdir(exist_ok=True)
        link.symlink_to(points_at)

    looked = when_looked_at(monkeypatch, "a.csv", put_link)
    with pytest.raises(TakingError):
        take(folder, "data/a.csv")
    assert looked
    assert {path.name: path.read_text() for path in outside.iterdir()} == before


def test_what_is_in_the_copy_already_is_never_written_over(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = folder.parent / "copy" / "model.py"
    when_looked_at(monkeypatch, "model.py", lambda: there.hardlink_to(folder / "data" / "a.csv"))
    with pytest.raises(TakingError):
        take(folder, "model.py")
    assert (folder / "data" / "a.csv").read_text() == "1,2"
