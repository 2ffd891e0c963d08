"""The READMEs' trees name exactly the files that there are, so a behaviour is found in them."""

import ast
import re
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
TREES = {
    "quota/sublet_quota": "quota/README.md",
    "spawner/sublet_spawner": "spawner/README.md",
    "hub_ext/sublet_hub": "hub_ext/sublet_hub/README.md",
    "hub_ext/sublet_agent": "hub_ext/sublet_agent/README.md",
    "hub_ext/sublet_procfs": "hub_ext/sublet_procfs/README.md",
    "labextension/sublet_lab": "labextension/README.md",
    "labextension/src": "labextension/README.md",
    "labextension/format/src": "labextension/format/README.md",
    "hub_ext/console/src": "hub_ext/console/README.md",
}
LINE = re.compile(r"^(?P<indent>(?:  )+)(?P<name>\S+) +(?P<what>\S.*)$")
HEADING = re.compile(r"^ {20,}\S.*$")
trees = pytest.mark.parametrize("root", TREES)


def lines_of(root: str) -> list[str]:
    """The lines of a tree below its root."""
    name = root.rpartition("/")[2]
    text = (ROOT / TREES[root]).read_text()
    (tree,) = re.findall(rf"^```\n{name}/\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [line for line in tree.splitlines() if line and not HEADING.match(line)]


def named_in(root: str) -> Iterator[str]:
    """The paths below a root that its tree names: folders end with a slash, ``*`` is any text."""
    folders: list[str] = []
    for line in lines_of(root):
        found = LINE.match(line)
        assert found, f"a line that names no file, or does not say what is in it: {line!r}"
        depth = len(found["indent"]) // 2 - 1
        assert depth <= len(folders), f"a line that is indented too far: {line!r}"
        del folders[depth:]
        yield "".join(folders) + found["name"]
        if found["name"].endswith("/"):
            folders.append(found["name"])


def there_below(root: str) -> Iterator[str]:
    """The folders and files below a root, but READMEs and modules that hold a docstring alone."""
    for path in (ROOT / root).rglob("*"):
        name = path.relative_to(ROOT / root).as_posix()
        # While another process compiles a module, there are files there of passing names; what is
        # built lies in a folder of its own, which git ignores.
        if {"__pycache__", "dist"} & set(path.parts):
            continue
        if path.is_dir():
            yield f"{name}/"
        elif path.suffix not in {".pyc", ".md"} and says_more_than_a_docstring(path):
            yield name


def says_more_than_a_docstring(file: Path) -> bool:
    return file.name != "__init__.py" or len(ast.parse(file.read_text()).body) > 1


def layered_packages() -> list[dict[str, Any]]:
    """The contracts of import-linter about a whole package's rooms."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    contracts = settings["tool"]["importlinter"]["contracts"]
    layered = [each for each in contracts if each["type"] == "layers"]
    return [each for each in layered if "." not in each["containers"][0]]


@trees
def test_each_file_has_a_line(root: str) -> None:
    named = list(named_in(root))
    assert [each for each in there_below(root) if not any(fnmatch(each, n) for n in named)] == []


@trees
def test_each_line_is_of_a_file_that_is_there(root: str) -> None:
    there = list(there_below(root))
    assert [each for each in named_in(root) if not any(fnmatch(t, each) for t in there)] == []


@trees
def test_no_file_has_two_lines(root: str) -> None:
    named = list(named_in(root))
    assert sorted(named) == sorted(set(named))


@pytest.mark.parametrize("contract", layered_packages(), ids=lambda each: each["containers"][0])
def test_a_room_stands_above_those_that_it_imports(contract: dict[str, Any]) -> None:
    layer_of = {
        room: layer for layer, rooms in enumerate(contract["layers"]) for room in rooms.split(" | ")
    }
    (package,) = contract["containers"]
    (root,) = (each for each in TREES if each.endswith(f"/{package}"))
    rooms = [each.removesuffix("/").removesuffix(".py") for each in named_in(root)]
    layers = [layer_of[room] for room in rooms if room in layer_of]
    assert len(layers) == len(layer_of)
    assert layers == sorted(layers)


@trees
def test_the_architecture_leads_to_each_tree(root: str) -> None:
    assert re.search(rf"\]\({TREES[root]}[)#]", (ROOT / "ARCHITECTURE.md").read_text())
