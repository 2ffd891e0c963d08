"""What a dialog is told of a notebook: its parameters, what it reads, what lies beside it."""

import json
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from sublet_lab.notebooks import inspection
from sublet_lab.notebooks.inspection import InspectionError, folder_facts, inspect
from sublet_quota.jobs.take_along import MOST_FILES
from sublet_quota.wire.notebook_server import LiteralProblem

from tests.support.job_notebooks import write_notebook

PARAMETERS = """
epochs: int = 3  # how long to train
rate = 0.1
name = "it's"
layers = [1, 2]
"""


def test_parameters_come_with_types_defaults_and_the_comments_behind_them(tmp_path: Path) -> None:
    write_notebook(tmp_path / "fit.ipynb", "print(1)", parameters=PARAMETERS)
    found = inspect(tmp_path, "fit.ipynb")
    assert [(p.name, p.type, p.default) for p in found.parameters] == [
        ("epochs", "int", "3"),
        ("rate", "float", "0.1"),
        ("name", "str", '"it\'s"'),
        ("layers", "list", "[1, 2]"),
    ]
    assert [p.reading.value for p in found.parameters] == [3, 0.1, "it's", [1, 2]]
    assert found.parameters[0].help == "how long to train"
    assert (found.path, found.name, found.cells) == ("fit.ipynb", "fit", 2)
    assert found.problems == ()


UNSENT = """
size = (1, 2)
seed = 12345678901234567891
labels = {1: "cat"}
on = not off
optimizer = None
"""


def test_defaults_that_no_page_could_send_say_why(tmp_path: Path) -> None:
    write_notebook(tmp_path / "fit.ipynb", "print(1)", parameters=UNSENT)
    found = inspect(tmp_path, "fit.ipynb")
    assert [(p.type, p.reading.type, p.reading.problem) for p in found.parameters] == [
        ("None", "tuple", LiteralProblem.TUPLE),
        ("int", "int", LiteralProblem.LARGE_INTEGER),
        ("dict", "dict", LiteralProblem.KEY),
        ("None", None, LiteralProblem.NOT_A_LITERAL),
        ("None", "NoneType", None),
    ]


@pytest.mark.parametrize(
    ("length", "problem"), [(10_000, None), (20_000, LiteralProblem.TOO_LARGE)]
)
def test_a_default_that_is_cut_is_read_wholly_or_not_at_all(
    tmp_path: Path, length: int, problem: LiteralProblem | None
) -> None:
    # Where it is cut it would be another text, well written.
    text = f"'{'a' * 3996}' 'b{'c' * (length - 4000)}'"
    write_notebook(tmp_path / "fit.ipynb", "print(1)", parameters=f"note = {text}")
    (note,) = inspect(tmp_path, "fit.ipynb").parameters
    assert (len(note.default), note.reading.problem) == (4000, problem)
    assert note.reading.value == (None if problem else "a" * 3996 + "b" + "c" * (length - 4000))


def test_cells_that_are_left_out_are_counted_and_do_not_run(tmp_path: Path) -> None:
    cells = [
        new_code_cell("a = 1"),
        new_code_cell("b = 2", metadata={"tags": ["skip"]}),
        new_code_cell("c = 3", metadata={"tags": ["interactive", "other"]}),
        new_code_cell(""),
        new_markdown_cell("text", metadata={"tags": ["skip"]}),
    ]
    nbformat.write(new_notebook(cells=cells), str(tmp_path / "n.ipynb"))
    found = inspect(tmp_path, "n.ipynb")
    assert (found.cells, found.left_out) == (1, 2)


def test_the_variables_that_it_reads_are_found_each_once(tmp_path: Path) -> None:
    code = """
%matplotlib inline
import os
token = os.environ["HF_TOKEN"]
os.getenv('WANDB_PROJECT', "x"); os.environ.get("HF_TOKEN")
from os import environ; environ["DATA_DIR"]
os.environ["JUPYTERHUB_API_TOKEN"], os.environ["SUBLET_SLICE_ID"], os.environ[name]
"""
    write_notebook(tmp_path / "n.ipynb", code)
    assert inspect(tmp_path, "n.ipynb").environment == ("HF_TOKEN", "WANDB_PROJECT", "DATA_DIR")


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("", "no path"),
        ("a\0.ipynb", "no path"),
        ("x" * 2000 + ".ipynb", "no path"),
        ("/etc/passwd.ipynb", "without a leading /"),
        ("../other/n.ipynb", "no path below"),
        ("a/../../n.ipynb", "no path below"),
        ("data.csv", "no notebook"),
        ("Untitled.ipynb", "save it once"),
        ("folder.ipynb", "no file"),
        ("broken.ipynb", "cannot be read as a notebook: 'broken.ipynb' is not"),
        ("broken.ipynb", "Open it with the text editor to mend it"),
        ("binary.ipynb", "cannot be read as a notebook"),
    ],
)
def test_what_is_no_notebook_is_refused_in_words_that_help(
    tmp_path: Path, path: str, words: str
) -> None:
    (tmp_path.parent / "n.ipynb").write_text("{}")
    (tmp_path / "data.csv").write_text("1")
    (tmp_path / "folder.ipynb").mkdir()
    (tmp_path / "broken.ipynb").write_text('{"cells": "none"}')
    (tmp_path / "binary.ipynb").write_bytes(b"\xff\x00")
    with pytest.raises(InspectionError, match=words):
        inspect(tmp_path, path)


@pytest.mark.parametrize(
    ("stem", "name"),
    [
        ('it\'s "quoted"', "it-s-quoted"),
        ("<img src=x onerror=alert(1)>", "img-src-x-onerror-alert-1"),
        ("🚀 training", "training"),
        ("🚀", "job"),
        ("n" * 200, "n" * 100),
    ],
)
def test_strange_names_get_a_plain_one_for_the_job(tmp_path: Path, stem: str, name: str) -> None:
    write_notebook(tmp_path / f"{stem}.ipynb", "print(1)")
    found = inspect(tmp_path, f"{stem}.ipynb")
    assert (found.path, found.name) == (f"{stem}.ipynb", name)


def test_problems_say_what_to_do(tmp_path: Path) -> None:
    write_notebook(tmp_path / "n.ipynb", kernel="julia-9")
    kernel, empty = inspect(tmp_path, "n.ipynb").problems
    assert "julia-9" in kernel
    assert "choose another kernel" in kernel
    assert "do nothing" in empty


def test_the_folder_is_counted_without_what_stays_behind(tmp_path: Path) -> None:
    write_notebook(tmp_path / "n.ipynb", "print(1)")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a").write_text("123")
    (tmp_path / "model.py").write_text("12345")
    (tmp_path / ".git").mkdir()
    (tmp_path / "sublet-jobs").mkdir()
    (tmp_path / "link").symlink_to("/etc")
    facts = folder_facts(tmp_path / "n.ipynb")
    assert (facts.files, facts.bytes, facts.too_large) == (2, 8, False)
    assert [(e.path, e.kind, e.files, e.bytes) for e in facts.entries] == [
        ("data", "folder", 1, 3),
        ("model.py", "file", 1, 5),
    ]


def test_a_folder_that_is_too_large_is_said_so(tmp_path: Path) -> None:
    write_notebook(tmp_path / "n.ipynb", "print(1)")
    with (tmp_path / "large").open("wb") as file:
        file.truncate(2 * 1024**3)
    assert folder_facts(tmp_path / "n.ipynb").too_large
    (tmp_path / "large").unlink()
    (tmp_path / "many").mkdir()
    for number in range(MOST_FILES + 1):
        (tmp_path / "many" / str(number)).touch()
    facts = folder_facts(tmp_path / "n.ipynb")
    assert facts.too_large
    assert json.loads(facts.model_dump_json())["limit_files"] == MOST_FILES


def test_what_lies_beyond_the_listed_entries_is_counted_too(tmp_path: Path) -> None:
    write_notebook(tmp_path / "n.ipynb", "print(1)")
    for number in range(250):
        (tmp_path / f"part-{number:03}").write_text("1")
    (tmp_path / "zoo").mkdir()
    with (tmp_path / "zz-large").open("wb") as file:
        file.truncate(2 * 1024**3)
    facts = folder_facts(tmp_path / "n.ipynb")
    assert (len(facts.entries), facts.more, facts.files) == (200, 52, 251)
    assert facts.entries[0].path == "zoo"
    assert facts.too_large


def test_a_folder_with_more_than_is_looked_at_is_too_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inspection, "_MOST_LOOKED_AT", 300)
    write_notebook(tmp_path / "n.ipynb", "print(1)")
    for number in range(301):
        (tmp_path / str(number)).mkdir()
    facts = folder_facts(tmp_path / "n.ipynb")
    assert (len(facts.entries), facts.more, facts.too_large) == (200, 101, True)
