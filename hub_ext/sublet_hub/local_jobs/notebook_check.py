"""Looks at a notebook as its owner, before a job of it is taken.

A subprocess under the owner's account reads the file: what the owner cannot read, nobody reads
for them. The path is theirs to choose, but lies below their notebook folder.
"""

import logging
import math
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
from sublet_hub.local_jobs.owner_process import MOST_OUTPUT, Answer, TooMuchError, run_as_owner

_LOG = logging.getLogger(__name__)
_BAD_NOTEBOOK = 3
_RUNNER = ("-P", "-s", "-m", "sublet_lab.runner")
"""Without what owners have installed for themselves: only the job has that."""
_MOST_DEPTH = 16


_TYPES: Mapping[str, tuple[type, ...]] = {
    "int": (int,),
    "float": (int, float),
    "str": (str,),
    "bool": (bool,),
    "list": (list,),
    "dict": (dict,),
}


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
    command = [account.python, *_RUNNER, "check", "--notebook", path.absolute]
    try:
        answer = await run_as_owner(account, command, within)
    except TooMuchError:
        said = (
            f"{path.relative}: its parameters are larger than {MOST_OUTPUT // 1024} KiB: put "
            "them into a file that the notebook reads"
        )
        return Refusal(RefusalReason.BAD_NOTEBOOK, said)
    code = answer.code
    if code == _BAD_NOTEBOOK:
        said = _last_line(answer) or "it cannot be read"
        return Refusal(RefusalReason.BAD_NOTEBOOK, f"{path.relative}: {said}"[:2000])
    facts = _read_facts(answer.output) if code == 0 else None
    if facts is None:
        said = answer.errors[-2000:]
        _LOG.warning("the runner could not check a notebook (exit %d): %s", code, said)
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


def _last_line(answer: Answer) -> str:
    lines = answer.errors.strip().splitlines() or answer.output.strip().splitlines()
    return lines[-1] if lines else ""


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
    command = [account.python, *_RUNNER, "take"]
    command += ["--notebook", path.absolute, "--to", to]
    for name in taken:
        command += ["--path", name]
    message = "the files could not be copied: the runner "
    try:
        answer = await run_as_owner(account, command, within)
    except TooMuchError:
        raise NotebookError(message + "said too much") from None
    code = answer.code
    if code == _BAD_NOTEBOOK:
        said = _last_line(answer) or "it failed"
        return Refusal(RefusalReason.BAD_FILES, said[:2000])
    if code != 0:
        said = answer.errors[-2000:]
        _LOG.warning("the runner could not copy files (exit %d): %s", code, said)
        raise NotebookError(message + f"failed with exit status {code}")
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
