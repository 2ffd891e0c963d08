"""What an image lacks of a lock is added, and what it has stays."""

from importlib.metadata import version
from pathlib import Path

import lacking
import locked
import pytest

HASH = "0" * 64


def lock_of(*lines: str) -> list[locked.Locked]:
    return locked.read("".join(f"{line} --hash=sha256:{HASH}\n" for line in lines))


def test_what_is_there_in_another_version_stays() -> None:
    assert lacking.lacking(lock_of("click==1.0", "not-here==2.0")) == [
        f"not-here==2.0 --hash=sha256:{HASH}"
    ]


def test_what_other_machines_need_is_not_added() -> None:
    assert lacking.lacking(lock_of("not-here==2.0 ; sys_platform == 'win32'")) == []


def installed(folder: Path, name: str, *needs: str) -> None:
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    lines = ["Metadata-Version: 2.1", f"Name: {name}", "Version: 1.0"]
    lines += [f"Requires-Dist: {each}" for each in needs]
    (info / "METADATA").write_text("\n".join(lines) + "\n")


def test_a_need_that_the_base_does_not_meet_is_told_however_far_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed(tmp_path, "near", "far>=1", "click")
    installed(tmp_path, "far", "more; extra == 'more'", "click<1", "missing; python_version > '3'")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert sorted(lacking.unmet("near")) == [
        f"click<1: {version('click')}",
        'missing; python_version > "3": not installed',
    ]
    assert 'more; extra == "more": not installed' in list(lacking.unmet("far[more]"))


def test_here_all_is_met() -> None:
    assert list(lacking.unmet("sublet[demo,test,nvidia]")) == []
