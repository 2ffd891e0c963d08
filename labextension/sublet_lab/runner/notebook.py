"""A notebook file that is to run as a job: read, and described without running it.

papermill formats paths with parameters, fetches URLs and pastes parameter names into code. So
paths are absolute ones of this machine with their braces escaped, and names are identifiers.
"""

import ast
import io
import keyword
import re
import stat
import tokenize
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel
from nbformat import NotebookNode, ValidationError
from nbformat.reader import NotJSONError
from papermill.exceptions import PapermillException
from papermill.inspection import _infer_parameters
from papermill.iorw import load_notebook_node
from papermill.translators import PythonTranslator, papermill_translators
from papermill.utils import find_first_tagged_cell_index

LEFT_OUT_TAGS: Final = frozenset({"skip", "interactive"})
"""The tags of cells that do not run in a job."""

DEFAULT_KERNEL: Final = "python3"

_MAGIC: Final = re.compile(r"^[ \t]*[%!?].*$", re.MULTILINE)
_COMMENT: Final = re.compile(r"#\s*(?:type:\s*(\S*)\s*)?(.*)")

_UNREADABLE: Final = (
    NotJSONError,
    ValidationError,
    PapermillException,
    ValueError,
    TypeError,
    AttributeError,
)
"""The errors that nbformat and papermill raise over files that are no notebooks."""


class NotebookError(Exception):
    """A notebook cannot run as a job; the text says why, for its owner."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """A variable of the cell tagged ``parameters``."""

    name: str
    type: str
    default: str
    help: str
    """The comment behind the variable."""


@dataclass(frozen=True, slots=True)
class NotebookDescription:
    """The facts that the hub service asks of a notebook before it takes a job."""

    cells: int
    """The number of cells that would run."""
    kernel: str
    kernel_installed: bool
    parameters: tuple[Parameter, ...]


def papermill_path(path: Path) -> str:
    """Return the path as papermill has to get it, to mean just that file of this machine."""
    if not path.is_absolute():
        message = f"{path} is not an absolute path"
        raise NotebookError(message)
    return str(path).replace("{", "{{").replace("}", "}}")


def read_notebook(path: Path) -> NotebookNode:
    """Return the notebook as papermill reads it; ``NotebookError`` where there is none."""
    papermill_path(path)
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            message = f"{path} is not a file"
            raise NotebookError(message)
        notebook: NotebookNode = load_notebook_node(str(path))
    except OSError as error:
        message = f"{path} cannot be read: {error.strerror or error}"
        raise NotebookError(message) from error
    except _UNREADABLE as error:
        message = f"{path} is not a notebook: {type(error).__name__}"
        raise NotebookError(message) from error
    return notebook


def runs_in_a_job(cell: NotebookNode) -> bool:
    """Whether this cell has code, and no tag that leaves it out."""
    tags = LEFT_OUT_TAGS.intersection(cell.metadata.get("tags", ()))
    return cell.cell_type == "code" and bool(cell.source.strip()) and not tags


def kernel_of(notebook: NotebookNode, wanted: str | None = None) -> str:
    """Return the kernel that runs a notebook: the one wanted, else its own, else Python's."""
    own = notebook.metadata.get("kernelspec", {}).get("name")
    return str(wanted or own or DEFAULT_KERNEL)


def language_of_kernel(kernel: str) -> str:
    """Return the language of an installed kernel; ``NotebookError`` names the installed ones."""
    kernels = KernelSpecManager()
    try:
        return str(kernels.get_kernel_spec(kernel).language or "python")
    except NoSuchKernel as error:
        installed = ", ".join(sorted(kernels.find_kernel_specs())) or "none"
        message = f"the kernel {kernel!r} is not installed here; installed: {installed}"
        raise NotebookError(message) from error


def describe_notebook(path: Path) -> NotebookDescription:
    """Return what is in a notebook; ``NotebookError`` where it cannot run as a job."""
    notebook = read_notebook(path)
    kernel = kernel_of(notebook)
    try:
        language = language_of_kernel(kernel)
    except NotebookError:
        return NotebookDescription(_cells_to_run(notebook), kernel, False, ())
    return NotebookDescription(
        cells=_cells_to_run(notebook),
        kernel=kernel,
        kernel_installed=True,
        parameters=declared_parameters(notebook, kernel, language),
    )


def declared_parameters(
    notebook: NotebookNode, kernel: str, language: str
) -> tuple[Parameter, ...]:
    """Return the variables of the notebook's cell of parameters."""
    index = find_first_tagged_cell_index(notebook, "parameters")
    if index < 0:
        # papermill itself knows only some languages, and needs none for this.
        return ()
    try:
        translator = papermill_translators.find_translator(kernel, language)
    except PapermillException as error:
        message = f"parameters of notebooks for {kernel} ({language}) cannot be read: {error}"
        raise NotebookError(message) from error
    if translator is PythonTranslator:
        found = python_parameters(str(notebook.cells[index].source))
        if found is not None:
            return found
    return tuple(
        Parameter(str(p.name), str(p.inferred_type_name), str(p.default), str(p.help or ""))
        for p in _infer_parameters(notebook, name=kernel, language=language)
    )


def python_parameters(source: str) -> tuple[Parameter, ...] | None:
    """Return the variables that a cell of Python assigns; ``None`` where it cannot be read.

    papermill's own pattern cuts values at a ``#`` inside a string, and drops lines with two ``=``.
    Comments mean what they mean to papermill: ``# type: int what it is for``, or just the latter.
    """
    # IPython's own lines are no Python; within a text such a line is one of the text's.
    for python in (source, _MAGIC.sub("", source)):
        try:
            body = ast.parse(python).body
            comments = {
                token.start[0]: token.string
                for token in tokenize.generate_tokens(io.StringIO(python).readline)
                if token.type == tokenize.COMMENT
            }
            found: dict[str, Parameter] = {}
            for each, is_sure in _assigned(body, python, comments):
                # The last value is the notebook's own, as far as that can be told.
                if is_sure or each.name not in found:
                    found[each.name] = each
        except (SyntaxError, ValueError, MemoryError, RecursionError, tokenize.TokenError):
            continue
        return tuple(found.values())
    return None


def _assigned(
    body: Iterable[ast.AST], source: str, comments: Mapping[int, str]
) -> Iterator[tuple[Parameter, bool]]:
    """Yield what is assigned to plain names, in order, and whether it is in any case.

    What is assigned below an ``if`` alone has a default that is no literal: nobody can tell it.
    """
    for statement in body:
        match statement:
            case ast.Assign(targets=[*targets], value=value):
                pass
            case ast.AnnAssign(target=named, value=ast.expr() as value):
                targets = [named]
            case ast.With():
                yield from _assigned(statement.body, source, comments)
                continue
            case ast.If() | ast.Try():
                for each, _ in _assigned(ast.iter_child_nodes(statement), source, comments):
                    yield replace(each, default=f"perhaps {each.default}"), False
                continue
            case _:
                continue
        hint = _COMMENT.match(comments.get(statement.end_lineno or 0, "#"))
        hinted, about = hint.groups("") if hint is not None else ("", "")
        annotation = getattr(statement, "annotation", None)
        declared = hinted if annotation is None else ast.unparse(annotation).strip("'\"")
        written = ast.get_source_segment(source, value) or ""
        if not written or "\n" in written:
            written = ast.unparse(value)
        for target in targets:
            if isinstance(target, ast.Name):
                yield Parameter(target.id, declared or "None", written, about.strip()), True


def as_declared(parameters: Mapping[str, Any], declared: Iterable[Parameter]) -> dict[str, Any]:
    """Return the parameters with whole numbers as floats where the notebook has floats.

    JSON tells no difference between 2 and 2.0, and Python does.
    """
    floats = {each.name for each in declared if _is_float(each)}
    return {
        name: _as_float(value) if name in floats else value for name, value in parameters.items()
    }


def _is_float(parameter: Parameter) -> bool:
    if parameter.type != "None":
        return parameter.type == "float"
    try:
        return isinstance(ast.literal_eval(parameter.default), float)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return False


def _as_float(value: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int):
        return value
    try:
        return float(value)
    except OverflowError:
        return value


def check_parameter_names(parameters: Mapping[str, Any]) -> None:
    """Refuse every name that is not an identifier: papermill pastes them into code."""
    for name in parameters:
        if not name.isidentifier() or keyword.iskeyword(name):
            message = f"the parameter name {name!r} is not an identifier"
            raise NotebookError(message)


def _cells_to_run(notebook: NotebookNode) -> int:
    return sum(1 for cell in notebook.cells if runs_in_a_job(cell))
