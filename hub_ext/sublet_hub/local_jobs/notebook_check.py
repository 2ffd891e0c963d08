"""Looks at a notebook as its owner, before a job of it is taken.

A subprocess under the owner's account reads the file: what the owner cannot read, nobody reads
for them. The path is theirs to choose, but lies below their notebook folder.
"""

import asyncio
import logging
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from keyword import iskeyword
from pathlib import PurePosixPath
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sublet_quota.refusal import Refusal, RefusalReason
from sublet_quota.wire.api import AccountTemplate

from sublet_hub.errors import NotebookError
from sublet_hub.local_jobs.accounts import run_as
from sublet_hub.local_jobs.job_environment import owner_environment

_LOG = logging.getLogger(__name__)
_MOST_OUTPUT = 256 * 1024
_BAD_NOTEBOOK = 3
_MOST_DEPTH = 16


_TYPES: Mapping[str, tuple[type, ...]] = {
    "int": (int,),
    "float": (int, float),
    "str": (str,),
    "bool": (bool,),
    "list": (list,),
    "dict": (dict,),
}


class _TooMuchError(Exception):
    """An owner's process says more than anybody wants to know."""


class DeclaredParameter(BaseModel):
    """A parameter as the notebook's ``parameters`` cell declares it."""

    model_config = ConfigDict(extra="ignore")

    name: str = Field(max_length=255)
    type: str | None = Field(default=None, max_length=255)


class NotebookFacts(BaseModel):
    """What the runner says about a notebook."""

    model_config = ConfigDict(extra="ignore")

    cells: int = Field(ge=0)
    kernel: str | None = Field(default=None, max_length=255)
    kernel_installed: bool
    parameters: tuple[DeclaredParameter, ...] = Field(default=(), max_length=1000)


@dataclass(frozen=True, slots=True)
class NotebookPath:
    """A notebook below its owner's folder."""

    relative: str
    absolute: str


def locate_notebook(account: AccountTemplate, asked: str) -> NotebookPath | Refusal:
    """Place the path that an owner gave below their notebook folder."""
    path = PurePosixPath(asked)
    if path.is_absolute() or ".." in path.parts or "\0" in asked or not path.name:
        message = (
            f"{asked!r:.300} is no path below your notebook folder: write it as in the file "
            "browser, without a leading / and without .."
        )
        return Refusal(RefusalReason.BAD_NOTEBOOK, message)
    if path.suffix != ".ipynb":
        message = f"{asked!r:.300} is no notebook: its name must end in .ipynb"
        return Refusal(RefusalReason.BAD_NOTEBOOK, message)
    return NotebookPath(str(path), str(PurePosixPath(account.notebook_dir) / path))


async def inspect_notebook(
    account: AccountTemplate, path: NotebookPath, within: timedelta
) -> NotebookFacts | Refusal:
    """Ask the runner, as the owner, what is in the notebook.

    ``NotebookError`` where the runner itself does not work.
    """
    command = [
        account.python,
        "-P",
        "-m",
        "sublet_lab.runner",
        "check",
        "--notebook",
        path.absolute,
    ]
    try:
        code, output, errors = await _run_as_owner(account, command, within)
    except _TooMuchError:
        said = (
            f"{path.relative}: its parameters are larger than {_MOST_OUTPUT // 1024} KiB: put "
            "them into a file that the notebook reads"
        )
        return Refusal(RefusalReason.BAD_NOTEBOOK, said)
    if code == _BAD_NOTEBOOK:
        lines = errors.strip().splitlines() or output.strip().splitlines()
        said = lines[-1] if lines else "it cannot be read"
        return Refusal(RefusalReason.BAD_NOTEBOOK, f"{path.relative}: {said}"[:2000])
    facts = _read_facts(output) if code == 0 else None
    if facts is None:
        _LOG.warning("the runner could not check a notebook (exit %d): %s", code, errors[-2000:])
        message = (
            f"{path.relative} could not be checked: {account.python} -m sublet_lab.runner failed "
            f"with exit status {code}: is Sublet installed there?"
        )
        raise NotebookError(message)
    if not facts.kernel_installed:
        message = (
            f"{path.relative} needs the kernel {facts.kernel!r}, which is not installed for you: "
            "install it, or choose another kernel and save the notebook"
        )
        return Refusal(RefusalReason.UNKNOWN_KERNEL, message)
    return facts


def _read_facts(output: str) -> NotebookFacts | None:
    try:
        return NotebookFacts.model_validate_json(output)
    except ValidationError:
        return None


async def take_along(
    account: AccountTemplate, path: NotebookPath, taken: Sequence[str], to: str, within: timedelta
) -> Refusal | None:
    """Copy the notebook and files beside it, as the owner; says what cannot be taken along.

    ``NotebookError`` where the runner itself does not work.
    """
    command = [account.python, "-P", "-m", "sublet_lab.runner", "take"]
    command += ["--notebook", path.absolute, "--to", to]
    for name in taken:
        command += ["--path", name]
    code, output, errors = await _run_as_owner(account, command, within)
    if code == _BAD_NOTEBOOK:
        said = (errors.strip().splitlines() or output.strip().splitlines() or ["it failed"])[-1]
        return Refusal(RefusalReason.BAD_FILES, said[:2000])
    if code != 0:
        _LOG.warning("the runner could not copy files (exit %d): %s", code, errors[-2000:])
        message = f"the files could not be copied: the runner failed with exit status {code}"
        raise NotebookError(message)
    return None


def refuse_parameters(asked: Mapping[str, Any], facts: NotebookFacts) -> Refusal | None:
    """Say which parameters cannot be given to this notebook."""
    declared = {parameter.name: parameter.type for parameter in facts.parameters}
    for name, value in asked.items():
        if not name.isidentifier() or iskeyword(name):
            why = "is no name that a variable can have"
        elif not _is_plain(value, _MOST_DEPTH):
            why = "is no text, number, true, false, null, or list or mapping of these"
        elif declared and name not in declared:
            why = (
                f"is not in the notebook's cell of parameters: it has {', '.join(sorted(declared))}"
            )
        elif not _has_type(value, declared.get(name)):
            why = f"is a {declared[name]} in the notebook, and cannot be {value!r:.100}"
        else:
            continue
        return Refusal(RefusalReason.BAD_PARAMETERS, f"the parameter {name!r:.80} {why}")
    return None


def _is_plain(value: Any, depth: int) -> bool:
    match value:
        case None | bool() | str() | int():
            return True
        case float():
            return math.isfinite(value)
        case list():
            return depth > 0 and all(_is_plain(item, depth - 1) for item in value)
        case dict():
            return depth > 0 and all(_is_plain(item, depth - 1) for item in value.values())
        case _:
            return False


def _has_type(value: Any, declared: str | None) -> bool:
    allowed = _TYPES.get(declared or "")
    if allowed is None or value is None:
        return True
    if isinstance(value, bool):
        return bool in allowed
    return isinstance(value, allowed)


async def _run_as_owner(
    account: AccountTemplate, command: list[str], within: timedelta
) -> tuple[int, str, str]:
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=owner_environment(account),
            # Entered before the process is its owner's: never a folder of a tenant's choice.
            cwd="/",
            start_new_session=True,
            **run_as(account),
        )
    except OSError as error:
        message = f"a process of the owner cannot be started: {account.python}: {error}"
        raise NotebookError(message) from error
    try:
        async with asyncio.timeout(within.total_seconds()):
            output, errors = await asyncio.gather(
                _read_first(process.stdout), _read_last(process.stderr)
            )
            await process.wait()
    except TimeoutError as error:
        message = f"the notebook's runner did not answer within {within.total_seconds():.0f} s"
        raise NotebookError(message) from error
    finally:
        if process.returncode is None:
            os.killpg(process.pid, 9)
            await process.wait()
    code = 1 if process.returncode is None else process.returncode
    return code, output.decode(errors="replace"), errors.decode(errors="replace")


async def _read_first(stream: asyncio.StreamReader | None) -> bytes:
    """What an owner's process says; their notebook must not fill the service's memory."""
    said = b""
    while stream is not None and (more := await stream.read(_MOST_OUTPUT)):
        said += more
        if len(said) > _MOST_OUTPUT:
            raise _TooMuchError
    return said


async def _read_last(stream: asyncio.StreamReader | None) -> bytes:
    said = b""
    while stream is not None and (more := await stream.read(_MOST_OUTPUT)):
        said = (said + more)[-_MOST_OUTPUT:]
    return said
