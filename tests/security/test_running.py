"""What is said of a mutant is so: noticed, survived, broken, or not run and why."""

import os
import shutil
import signal
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import psutil
import pytest

from tests.security import running
from tests.security.__main__ import main
from tests.security.copies import Copy
from tests.security.listed import MUTANTS
from tests.security.mutant import ROOT, Mutant
from tests.security.running import Outcome, Result, Runner, Verdict, try_mutant
from tests.security.summary import summary_of
from tests.support.control_groups import until
from tests.support.ended_processes import has_ended

TESTS = """
import os, signal, subprocess, sys
import pytest, rule

def test_it(): assert rule.allowed(3) and not rule.allowed(4)

def test_half(): assert rule.allowed(3)

def test_waits():
    while not rule.allowed(3): signal.pause()

@pytest.fixture
def made(): return 1 / rule.MOST

def test_made(made): assert made

def test_where_it_is(): pytest.importorskip("math" if rule.MOST == 3 else "no_such_module")

def test_elsewhere(): pytest.skip("there is no card here")

@pytest.mark.parametrize("number", [3, 5])
def test_some(number): assert rule.allowed(number) and rule.MOST

def test_wrong(): assert False

def test_once():
    with open("runs", "a") as file: file.write("x")
    assert open("runs").read() == "x"

def test_leaves():
    child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"],
                             start_new_session=True)
    open("left", "w").write(str(child.pid))

def test_lives():
    if not rule.allowed(3): os._exit(0)
"""
RULE = "MOST = 3\ndef allowed(number): return number <= MOST\n"


Tree = tuple[Runner, tuple[Outcome, ...]]


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tree]:
    """A copy of a tree with one rule and its tests, and how these end as they are."""
    made = Copy(tmp_path_factory.mktemp("tree"), tmp_path_factory.mktemp("scratch"))
    (made.tree / "rule.py").write_text(RULE)
    (made.tree / "test_rule.py").write_text(TESTS)
    (made.tree / "tests/security").mkdir(parents=True)
    for name in ("prepared.py", "recording.py"):
        shutil.copy(ROOT / "tests/security" / name, made.tree / "tests/security")
    made.python.parent.mkdir(parents=True)
    made.python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    made.python.chmod(0o755)
    with closing(Runner(made)) as runner:
        yield runner, runner.run(["test_rule.py"]).outcomes


def a_mutant(by: str, *tests: str, text: str = "number <= MOST") -> Mutant:
    return Mutant(
        1, "all is allowed", "rule.py", text, by, tuple(f"test_rule.py::{t}" for t in tests)
    )


OTHER_MOST = {"text": "MOST = 3"}
CASES = {
    "noticed": (a_mutant("True", "test_it"), Verdict.NOTICED, "test_it: assert"),
    "noticed by one of two": (a_mutant("True", "test_half", "test_it"), Verdict.NOTICED, "test_it"),
    "survived": (a_mutant("True", "test_half"), Verdict.SURVIVED, "of test_half"),
    "not imported": (a_mutant("1 / 0", "test_it", **OTHER_MOST), Verdict.BROKEN, "ZeroDivision"),
    "not set up": (a_mutant("MOST = 0", "test_made", **OTHER_MOST), Verdict.BROKEN, "test_made"),
    "skipped by it": (
        a_mutant("MOST = 4", "test_where_it_is", **OTHER_MOST),
        Verdict.BROKEN,
        "no_such_module",
    ),
    "skipped here": (a_mutant("True", "test_elsewhere"), Verdict.NOT_RUN, "there is no card here"),
    "ends the process of the tests": (
        a_mutant("False", "test_half", "test_lives"),
        Verdict.NOTICED,
        "test_half",
    ),
    "ends the process of the tests before one fails": (
        a_mutant("False", "test_lives", "test_half"),
        Verdict.BROKEN,
        "by it tests are not run",
    ),
    "fails in part without it": (
        a_mutant("MOST = 4", "test_some", **OTHER_MOST),
        Verdict.SURVIVED,
        "of test_some",
    ),
}


@pytest.mark.parametrize(("mutant", "verdict", "why"), CASES.values(), ids=CASES)
def test_a_mutants_verdict(tree: Tree, mutant: Mutant, verdict: Verdict, why: str) -> None:
    runner, before = tree
    result = try_mutant(runner, mutant, before)
    assert (result.verdict, why in result.why) == (verdict, True), result.why
    assert (runner.copy.tree / "rule.py").read_text() == RULE


def test_tests_that_do_not_end_by_it_have_noticed_it(
    tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner, before = tree
    monkeypatch.setattr(running, "_AT_LEAST_S", 2.0)
    result = try_mutant(runner, a_mutant("False", "test_waits"), before)
    assert (result.verdict, result.why) == (Verdict.NEVER_ENDS, "of test_waits")


def test_a_test_that_ran_out_of_time_has_noticed_nothing_where_it_does_so_without_the_mutant(
    tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner, before = tree
    monkeypatch.setattr(running, "_LONG_S", 0.0)
    monkeypatch.setattr(running, "_TIMES", 0)
    monkeypatch.setattr(running, "_AT_LEAST_S", 60.0)
    assert try_mutant(runner, a_mutant("True", "test_it"), before).verdict is Verdict.NOTICED
    result = try_mutant(runner, a_mutant("True", "test_once"), before)
    assert (result.verdict, result.why) == (
        Verdict.BROKEN,
        "test_rule.py::test_once fails without it now",
    )


def test_tests_that_fail_or_do_not_end_without_it_notice_nothing(tree: Tree) -> None:
    runner, before = tree
    for known, why in ((before, "test_wrong fails without it"), ((), "not run to their end")):
        result = try_mutant(runner, a_mutant("True", "test_wrong"), known)
        assert result.verdict is Verdict.BROKEN
        assert why in result.why


def test_what_tests_leave_running_in_a_session_of_its_own_is_ended(tree: Tree) -> None:
    runner, _ = tree
    with suppress(psutil.NoSuchProcess):
        left = psutil.Process(int((runner.copy.tree / "left").read_text()))
        until(lambda: has_ended(left))


def test_what_comes_after_the_test_that_notices_is_not_run(tree: Tree) -> None:
    runner, _ = tree
    both = ("test_once", "test_leaves")
    ended = runner.run([f"test_rule.py::{test}" for test in both], until="failed")
    assert [(outcome.test, outcome.outcome) for outcome in ended.outcomes] == [
        ("test_rule.py::test_once", "failed")
    ]


def test_each_run_reads_what_may_be_changed_anew(tree: Tree) -> None:
    runner, before = tree
    for _ in range(3):
        assert try_mutant(runner, a_mutant("True", "test_it"), before).verdict is Verdict.NOTICED
        assert [outcome.outcome for outcome in runner.run(["test_rule.py::test_it"]).outcomes] == [
            "passed"
        ]


def test_where_the_prepared_process_is_gone_the_next_run_has_another_one(tree: Tree) -> None:
    runner, before = tree
    assert runner._prepared is not None
    os.kill(runner._prepared.pid, signal.SIGKILL)
    with pytest.raises(ChildProcessError, match="has ended with -9"):
        try_mutant(runner, a_mutant("True", "test_it"), before)
    assert try_mutant(runner, a_mutant("True", "test_it"), before).verdict is Verdict.NOTICED


def test_a_mutant_of_a_tree_in_which_nothing_can_be_prepared_says_so(tmp_path: Path) -> None:
    made = Copy(tmp_path, tmp_path)
    made.python.parent.mkdir(parents=True)
    made.python.symlink_to("/bin/false")
    with (
        closing(Runner(made)) as runner,
        pytest.raises(ChildProcessError, match="has ended with 1"),
    ):
        runner.run(["test_rule.py"])


def test_the_summary_counts_and_names_what_was_not_noticed() -> None:
    def result(rule: int, what: str, verdict: Verdict, why: str) -> Result:
        return Result(Mutant(rule, what, "file", "a", "b", ("t",)), verdict, why)

    text = summary_of(
        [
            result(4, "one", Verdict.NOTICED, "t"),
            result(4, "two", Verdict.SURVIVED, "of t"),
            result(19, "three", Verdict.NOT_RUN, "there is no card here"),
            result(19, "four", Verdict.NOT_RUN, "there is no card here"),
        ],
        5,
        120.0,
    )
    rows = [line.split() for line in text.splitlines()]
    assert ["4", "2", "1", "1", "0", "0"] in rows
    assert ["19", "2", "0", "0", "0", "2"] in rows
    assert ["all", "4", "1", "1", "0", "2"] in rows
    assert "SURVIVED: rule 4, two (file): of t" in text
    assert "not run, as there is no card here:\n    rule 19, three\n    rule 19, four" in text
    assert "1 were not tried" in text
    assert text.endswith("4 mutants in 2 minutes")


def test_the_command_line_chooses_by_rule_and_text(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == len(MUTANTS)
    assert main(["--list", "4", "7", "--only", "hub_ext"]) == 0
    listed = capsys.readouterr().out.splitlines()
    assert {line.split()[0] for line in listed} == {"4", "7"}
    assert all("hub_ext" in line for line in listed)
    assert main(["--only", "no such text"]) == 2
    for wrong, told in ((["21"], "rules 1 to 20"), (["--at-once", "0"], "a number from 1 on")):
        with pytest.raises(SystemExit):
            main(wrong)
        assert told in capsys.readouterr().err
