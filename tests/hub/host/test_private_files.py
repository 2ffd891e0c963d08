"""Files with secrets, or with what tenants wrote: who reads them, and where they lie."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from sublet_hub.errors import ConfigurationError
from sublet_hub.host.private_files import (
    keep_secret,
    make_private_folder,
    open_private_append,
    read_secret,
    write_private,
)


@pytest.fixture(autouse=True)
def open_umask() -> Iterator[None]:
    """As careless an account as there can be: the files' modes are the service's own doing."""
    before = os.umask(0)
    yield
    os.umask(before)


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_private_file_is_its_accounts_alone(tmp_path: Path) -> None:
    written, kept, appended = (tmp_path / name for name in ("written", "kept", "appended"))
    write_private(written, b"text")
    keep_secret(kept)
    os.close(open_private_append(appended))
    assert [mode_of(each) for each in (written, kept, appended)] == [0o600] * 3
    assert mode_of(make_private_folder(tmp_path / "folder")) == 0o700


@pytest.mark.parametrize("mode", [0o644, 0o640 | 0o020, 0o604, 0o602])
def test_a_secret_that_others_can_read_is_none(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "token"
    path.write_text("canary-0123456789")
    path.chmod(mode)
    with pytest.raises(ConfigurationError, match="chmod 600") as refused:
        read_secret(path)
    assert "canary" not in str(refused.value)


def test_nothing_is_appended_through_a_link(tmp_path: Path) -> None:
    theirs, log = tmp_path / "theirs", tmp_path / "log"
    theirs.write_text("untouched")
    log.symlink_to(theirs)
    with pytest.raises(OSError, match="symbolic link"):
        open_private_append(log)


def test_a_link_in_a_files_place_is_replaced_and_not_followed(tmp_path: Path) -> None:
    theirs, path = tmp_path / "theirs", tmp_path / "file"
    theirs.write_text("untouched")
    path.symlink_to(theirs)
    write_private(path, b"text")
    assert theirs.read_text() == "untouched"
    assert not path.is_symlink()
