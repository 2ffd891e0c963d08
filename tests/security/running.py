"""Runs tests in a copy of the tree: first as it is, then with one mutant at a time.

A mutant is noticed when a test that passed before fails by it. That a test cannot be set up, or
that a file is not imported any more, is no notice: then the mutant is broken. Tests that are
skipped here (no card, no cluster) cannot notice anything, and say why.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from tests.security.copies import Copy
from tests.security.mutant import Mutant
from tests.security.recording import OUTCOMES, UNTIL

_WITHIN_S: Final = 900.0
_AT_LEAST_S: Final = 150.0
_LONG_S: Final = 5.0
_NOT_REWRITTEN: Final = ("-W", "ignore:Module already imported:pytest.PytestAssertRewriteWarning")
"""Others' plugins of pytest's are imported before it, as they are: their asserts are not ours."""
_TIMES: Final = 10
"""How many times longer than without it a mutant's tests may take: then they never end."""


class Verdict(StrEnum):
    """What became of a mutant."""

    NOTICED = "noticed"
    NEVER_ENDS = "noticed: the tests do not end"
    SURVIVED = "SURVIVED"
    NOT_RUN = "not run"
    BROKEN = "BROKEN"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one test ended."""

    test: str
    outcome: str
    why: str
    took_s: float

    def is_of(self, named: str) -> bool:
        """Whether this is a test of that name, whatever its parameters."""
        return self.test.partition("[")[0] == named


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a mutant, and why."""

    mutant: Mutant
    verdict: Verdict
    why: str


@dataclass(frozen=True, slots=True)
class Run:
    """What a run of pytest has told."""

    outcomes: tuple[Outcome, ...]
    ended: bool
    said: str


class Runner:
    """Runs tests in a copy, each run in a process forked from one that is prepared for it."""

    def __init__(self, copy: Copy) -> None:
        self.copy = copy
        self._prepared: subprocess.Popen[str] | None = None

    def close(self) -> None:
        """End the prepared process, if there is one."""
        if self._prepared is not None:
            self._prepared.communicate()
            self._prepared = None

    def run(self, tests: Sequence[str], within_s: float = _WITHIN_S, until: str = "") -> Run:
        """Run these tests, to the first with the outcome ``until``; end what they leave running."""
        scratch = self.copy.scratch
        told, said, tmp = scratch / "outcomes.jsonl", scratch / "said", scratch / "t"
        told.unlink(missing_ok=True)
        said.unlink(missing_ok=True)
        # What a module keeps for all its tests is set up anew for each mutant.
        options = ["-q", "-n", "0", "-p", "no:cacheprovider", "--tb=line", f"--basetemp={tmp}"]
        asked = {
            "arguments": ["-p", "tests.security.recording", *_NOT_REWRITTEN, *options, *tests],
            "environment": {OUTCOMES: str(told), UNTIL: until},
            "said": str(said),
            "within_s": within_s,
        }
        ended = self._ask(json.dumps(asked))
        shutil.rmtree(tmp, ignore_errors=True)
        lines = told.read_text(encoding="utf-8").splitlines() if told.exists() else []
        text = said.read_text(encoding="utf-8", errors="replace") if said.exists() else ""
        return Run(tuple(Outcome(**json.loads(line)) for line in lines), ended, text)

    def _ask(self, asked: str) -> bool:
        """Have a run made; return whether it came to its end."""
        if self._prepared is None:
            self._prepared = self._prepare()
        prepared = self._prepared
        if prepared.stdin is None or prepared.stdout is None:
            raise AssertionError(prepared)
        with suppress(BrokenPipeError):
            prepared.stdin.write(f"{asked}\n")
            prepared.stdin.flush()
        answer = prepared.stdout.readline()
        if not answer:
            # The next run has another one.
            self.close()
            message = f"the process that forks for tests has ended with {prepared.returncode}"
            raise ChildProcessError(message)
        return bool(json.loads(answer)["ended"])

    def _prepare(self) -> subprocess.Popen[str]:
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        environment["PATH"] = f"{self.copy.python.parent}:{os.environ['PATH']}"
        return subprocess.Popen(
            [self.copy.python, "-m", "tests.security.prepared"],
            cwd=self.copy.tree,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )


@contextmanager
def mutated(copy: Copy, mutant: Mutant) -> Iterator[None]:
    """Have the change in the copy while the block lasts."""
    path = copy.tree / mutant.file
    source = path.read_text(encoding="utf-8")
    path.write_text(mutant.apply(source), encoding="utf-8")
    try:
        yield
    finally:
        path.write_text(source, encoding="utf-8")


def try_mutant(runner: Runner, mutant: Mutant, before: Sequence[Outcome]) -> Result:
    """Run a mutant's tests with it; ``before`` is how they ended without it."""
    own = [outcome for outcome in before if any(outcome.is_of(test) for test in mutant.tests)]
    passed = {outcome.test for outcome in own if outcome.outcome == "passed"}
    if not passed:
        return _not_tried(mutant, own)
    able = [test for test in mutant.tests if any(o.is_of(test) and o.test in passed for o in own)]
    with mutated(runner.copy, mutant):
        within_s = _AT_LEAST_S + _TIMES * sum(o.took_s for o in own)
        run = runner.run(able, within_s, until="failed")
    if not run.ended:
        return Result(mutant, Verdict.NEVER_ENDS, f"of {', '.join(map(_short, able))}")
    told = [outcome for outcome in run.outcomes if outcome.test in passed]
    failed = [outcome for outcome in told if outcome.outcome == "failed"]
    if failed:
        bad = _failures_by_themselves(runner, failed[0], own)
        if bad:
            return Result(mutant, Verdict.BROKEN, f"{bad[0].test} fails without it now")
        return Result(mutant, Verdict.NOTICED, f"{_short(failed[0].test)}: {failed[0].why}")
    wrong = [outcome for outcome in run.outcomes if outcome.outcome == "error"]
    if wrong:
        return Result(mutant, Verdict.BROKEN, f"{_short(wrong[0].test)}: {wrong[0].why}")
    if len({outcome.test for outcome in told if outcome.outcome == "passed"}) < len(passed):
        skipped = next((o.why for o in told if o.outcome == "skipped"), run.said[-2000:])
        return Result(mutant, Verdict.BROKEN, f"by it tests are not run: {skipped}")
    return Result(mutant, Verdict.SURVIVED, f"of {', '.join(map(_short, able))}")


def _failures_by_themselves(
    runner: Runner, failed: Outcome, before: Sequence[Outcome]
) -> list[Outcome]:
    """Return how a test fails that ran out of time, run once more without the mutant.

    On a machine that is too busy for it, it has noticed nothing.
    """
    took_s = next(outcome.took_s for outcome in before if outcome.test == failed.test)
    if failed.took_s < _LONG_S + _TIMES * took_s:
        return []
    again = runner.run([failed.test])
    return [] if any(o.outcome == "passed" for o in again.outcomes) else [failed]


def _not_tried(mutant: Mutant, own: Sequence[Outcome]) -> Result:
    """Say why no test could notice it: none is run here, or what is run fails by itself."""
    bad = failures(own)
    if bad or not own:
        why = f"{bad[0].test} fails without it" if bad else "its tests were not run to their end"
        return Result(mutant, Verdict.BROKEN, why)
    return Result(mutant, Verdict.NOT_RUN, own[0].why)


def failures(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Return the tests that fail without any mutant."""
    return [outcome for outcome in outcomes if outcome.outcome in {"failed", "error"}]


def _short(test: str) -> str:
    return test.rpartition("::")[2]
