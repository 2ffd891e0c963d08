"""Files that only the service may read: tokens, node secrets, account templates, job logs.

Such files are made with mode 0600 in folders of mode 0700, and written whole: first beside, then
moved into place, so that a crash leaves the old file or the new one.
"""

import os
import secrets
import stat
from pathlib import Path

from sublet_hub.errors import ConfigurationError

_PRIVATE_FILE = 0o600
_PRIVATE_FOLDER = 0o700
_OTHERS = stat.S_IRWXO
_GROUP_WRITES = stat.S_IWGRP


def make_private_folder(path: Path) -> Path:
    """Make the folder and its parents, with mode 0700 for what did not exist; return its path."""
    path.mkdir(mode=_PRIVATE_FOLDER, parents=True, exist_ok=True)
    return path


def write_private(path: Path, content: bytes, *, forced: bool = True) -> None:
    """Write the file whole, readable by the service's account alone.

    ``forced`` to disk first, as it must outlive the machine; not for what is written often.
    """
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE_FILE)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            if forced:
                file.flush()
                os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def open_private_append(path: Path) -> int:
    """Open for appending, made with mode 0600; return a descriptor for a child to inherit."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.open(path, flags, _PRIVATE_FILE)


def keep_secret(path: Path) -> bytes:
    """Return the secret of this file, which is made on the first call."""
    if not path.exists():
        write_private(path, secrets.token_hex(32).encode())
    return read_secret(path).encode()


def read_secret(path: Path) -> str:
    """Return a token or secret: one line that others can neither read nor change.

    Raises ``ConfigurationError`` where the file is missing, empty or open to others.
    """
    try:
        mode = path.stat().st_mode
        text = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        message = f"cannot read the secret in {path}: {error}"
        raise ConfigurationError(message) from error
    if mode & (_OTHERS | _GROUP_WRITES):
        message = (
            f"the secret in {path} is open to others (mode {stat.S_IMODE(mode):04o}): "
            f"run chmod 600 {path}"
        )
        raise ConfigurationError(message)
    if not text or any(c.isspace() for c in text):
        message = f"the secret in {path} must be one line without spaces"
        raise ConfigurationError(message)
    return text
