"""YAML text to plain values, with the place of each key, refusing what YAML makes dangerous.

Read from the parser's events, never by constructors: no tags, no anchors and aliases (236 bytes
became 28 MB), no key twice, no deep nesting, at most 1 MiB. Keys are always text, as written:
a user may be called ``no`` or ``123``. Only ``true``, ``false``, ``null`` and numbers are more
than text; ``1:30`` is no number.
"""

import re
from dataclasses import dataclass, field, replace
from typing import Any, Final

import yaml

from sublet_quota.document.problems import DocumentProblem, KeyPath, nearest_line
from sublet_quota.wire.schema import CONTROLS

MOST_BYTES: Final = 1024 * 1024
MOST_LEVELS: Final = 32
_MOST_PROBLEMS: Final = 100

_INTEGER: Final = re.compile(r"[-+]?[0-9]{1,18}")
_NUMBER: Final = re.compile(r"[-+]?[0-9]{1,18}\.[0-9]{1,18}")
_WORDS: Final = {"": None, "~": None, "null": None, "true": True, "false": False}


@dataclass(slots=True)
class DocumentTree:
    """The values of a document, the place of each path, and what was wrong with its YAML."""

    value: Any = None
    lines: dict[KeyPath, int] = field(default_factory=dict)
    columns: dict[KeyPath, int] = field(default_factory=dict)
    """Where on its line each path begins, from 1 in characters."""
    problems: list[DocumentProblem] = field(default_factory=list)

    def line_of(self, path: KeyPath) -> int:
        """Return the line of a path, or of the nearest one around it; else the first."""
        line = nearest_line(self.lines, path)
        return 1 if line is None else line

    def placed(self, problem: DocumentProblem) -> DocumentProblem:
        """Return a problem with its column, where its path, or the nearest around it, has one."""
        if problem.column is not None:
            return problem
        column = nearest_line(self.columns, problem.path)
        is_there = column is not None and self.line_of(problem.path) == problem.line
        return replace(problem, column=column) if is_there else problem


@dataclass(slots=True)
class _Level:
    """A mapping or a sequence that is being read."""

    path: KeyPath
    value: dict[str, Any] | list[Any]
    key: str | None = None
    ignored: bool = False
    """Whether what follows the key has no place: the key was there already, or is no text."""

    def place(self) -> KeyPath:
        """Return the path of the value that comes next."""
        if isinstance(self.value, list):
            return (*self.path, len(self.value))
        return (*self.path, self.key or "")


class _Reader:
    """The state of reading a document, event by event of the parser."""

    def __init__(self) -> None:
        self.tree = DocumentTree()
        self._levels: list[_Level] = []
        self._documents = 0
        self._column: int | None = None

    def take(self, event: yaml.Event) -> bool:
        """Take one event; return ``False`` when reading on makes no sense."""
        mark = event.start_mark
        line = mark.line + 1 if mark is not None else 1
        self._column = mark.column + 1 if mark is not None else None
        if isinstance(event, yaml.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                self._complain(line, (), "begins a second document: write one only")
                return False
        elif isinstance(event, yaml.NodeEvent):
            self._refuse_references(event, line)
            return self._take_node(event, line)
        elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            self._end_level()
        return len(self.tree.problems) < _MOST_PROBLEMS

    def _take_node(self, event: yaml.NodeEvent, line: int) -> bool:
        if isinstance(event, yaml.AliasEvent):
            self._put(None, line)
        elif isinstance(event, yaml.ScalarEvent):
            self._put_scalar(event, line)
        else:
            return self._begin_level(event, line)
        return len(self.tree.problems) < _MOST_PROBLEMS

    def _refuse_references(self, event: yaml.NodeEvent, line: int) -> None:
        path = self._levels[-1].place() if self._levels else ()
        if isinstance(event, yaml.AliasEvent):
            self._complain(line, path, f"is an alias (*{event.anchor}): write the value itself")
            return
        if event.anchor is not None:
            self._complain(line, path, f"has an anchor (&{event.anchor}): leave it out")
        if getattr(event, "tag", None) is not None:
            self._complain(line, path, f"has a tag ({event.tag}): leave it out")  # type: ignore[attr-defined]

    def _begin_level(self, event: yaml.NodeEvent, line: int) -> bool:
        if len(self._levels) >= MOST_LEVELS:
            path = self._levels[-1].place()
            message = f"is nested deeper than {MOST_LEVELS} levels: no section needs that"
            self._complain(line, path[:4], message)
            return False
        value: dict[str, Any] | list[Any] = {} if isinstance(event, yaml.MappingStartEvent) else []
        path = self._put(value, line)
        self._levels.append(_Level(path, value))
        return True

    def _end_level(self) -> None:
        self._levels.pop()

    def _put_scalar(self, event: yaml.ScalarEvent, line: int) -> None:
        self._refuse_unseen(event, line)
        level = self._levels[-1] if self._levels else None
        if level is not None and isinstance(level.value, dict) and level.key is None:
            level.key = event.value
            level.ignored = event.value in level.value
            if level.ignored:
                first = self.tree.lines.get(level.place(), 0)
                message = f"is there twice (first in line {first}): keep one"
                self._complain(line, level.place(), message)
            else:
                self._note(level.place(), line)
            return
        plain = event.style is None and event.implicit[0]
        self._put(_plain_value(event.value) if plain else event.value, line)

    def _refuse_unseen(self, event: yaml.ScalarEvent, line: int) -> None:
        """Refuse what cannot be seen in a text, and read on as if something else were there."""
        level = self._levels[-1] if self._levels else None
        is_key = level is not None and isinstance(level.value, dict) and level.key is None
        unseen = CONTROLS.search(event.value if is_key else _in_one_line(event.value))
        if unseen is None:
            return
        event.value = CONTROLS.sub("_", event.value)
        path = level.place() if level is not None else ()
        if is_key:
            path = (*path[:-1], event.value)
        code = f"U+{ord(unseen[0]):04X}"
        self._complain(line, path, f"has a character that cannot be seen ({code}): leave it out")

    def _put(self, value: Any, line: int) -> KeyPath:
        if not self._levels:
            self.tree.value = value
            return ()
        level = self._levels[-1]
        if isinstance(level.value, list):
            path = level.place()
            self._note(path, line)
            level.value.append(value)
            return path
        if level.key is None:
            # A key that is a mapping, a sequence or an alias.
            self._complain(line, level.path, "has a key that is no text: write a word as the key")
            level.key, level.ignored = "", True
            return (*level.path, "")
        path = level.place()
        if not level.ignored:
            level.value[level.key] = value
        level.key, level.ignored = None, False
        return path

    def _note(self, path: KeyPath, line: int) -> None:
        self.tree.lines[path] = line
        if self._column is not None:
            self.tree.columns[path] = self._column

    def _complain(self, line: int, path: KeyPath, message: str) -> None:
        self.tree.problems.append(DocumentProblem(line, path, message, self._column))


def _in_one_line(text: str) -> str:
    """Return a value without what long ones may have: they are written on several lines."""
    return text.replace("\n", " ").replace("\t", " ")


def _plain_value(text: str) -> Any:
    lowered = text.lower()
    if lowered in _WORDS:
        return _WORDS[lowered]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _NUMBER.fullmatch(text):
        return float(text)
    return text


def read_tree(text: str | bytes) -> DocumentTree:
    """Return the values of YAML; what is wrong with it is in ``problems``, nothing is raised."""
    failed = DocumentTree()
    size = len(text) if isinstance(text, bytes) else len(text.encode("utf-8", "surrogatepass"))
    if size > MOST_BYTES:
        message = f"is {size} bytes long: at most {MOST_BYTES} are read"
        failed.problems.append(DocumentProblem(1, (), message))
        return failed
    if isinstance(text, bytes):
        try:
            text = text.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = error.object.count(b"\n", 0, error.start) + 1
            message = "is not UTF-8 text: save it as UTF-8"
            failed.problems.append(DocumentProblem(line, (), message))
            return failed
    reader = _Reader()
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            if not reader.take(event):
                break
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark is not None else (1, None)
        said = " ".join(part for part in (error.context, error.problem) if part)
        reader.tree.problems.append(DocumentProblem(line, (), f"is no YAML: {said}", column))
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        column = error.position - text.rfind("\n", 0, error.position)
        message = f"has a character that YAML does not allow (#x{error.character:04x})"
        reader.tree.problems.append(DocumentProblem(line, (), message, column))
    return reader.tree
