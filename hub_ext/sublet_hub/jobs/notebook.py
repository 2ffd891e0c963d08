"""A job's notebook: where it lies below its owner's folder, what is in it, which parameters fit.

Pure checks, for jobs on this machine and in pods alike.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from keyword import iskeyword
from pathlib import PurePosixPath
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from sublet_quota.reasons.refusal import Refusal
from sublet_quota.reasons.refusals.notebooks import NotebookRefusal
from sublet_quota.reasons.refusals.refuse import refuse
from sublet_quota.wire.api import AccountTemplate

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
    """Return where the path that an owner gave lies below their notebook folder, or the refusal."""
    path = PurePosixPath(asked)
    if path.is_absolute() or ".." in path.parts or "\0" in asked or not path.name:
        return refuse(NotebookRefusal.NOT_BELOW_FOLDER, path=asked)
    if path.suffix != ".ipynb":
        return refuse(NotebookRefusal.NO_NOTEBOOK, path=asked)
    return NotebookPath(str(path), str(PurePosixPath(account.notebook_dir) / path))


def refuse_parameters(asked: Mapping[str, Any], facts: NotebookFacts) -> Refusal | None:
    """Return the refusal of a parameter that cannot be given to this notebook, or ``None``."""
    declared = {parameter.name: parameter.type for parameter in facts.parameters}
    for name, value in asked.items():
        if not name.isidentifier() or iskeyword(name):
            return refuse(NotebookRefusal.PARAMETER_IS_NO_NAME, parameter=name)
        if not _is_plain(value, _MOST_DEPTH):
            return refuse(NotebookRefusal.PARAMETER_NOT_PLAIN, parameter=name)
        if declared and name not in declared:
            return refuse(
                NotebookRefusal.PARAMETER_NOT_DECLARED,
                parameter=name,
                declared=tuple(sorted(declared)),
            )
        if not _has_type(value, declared.get(name)):
            return refuse(
                NotebookRefusal.PARAMETER_OF_OTHER_TYPE,
                parameter=name,
                type=declared[name],
                value=value,
            )
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
