"""`make mutants`: switch each rule of THREATS.md off, and see that a test notices.

    make mutants                  # all of them: an hour or so on two cores
    make mutants RULES="4 7"      # those of these rules
    make mutants MUTANTS_OPTIONS="--at-once 4"
    python -m tests.security --list

Ends with 1 where a mutant survives or is broken, or a test fails without any; with 2 where nothing
was to be run. Those that cannot be run here are told with the reason, and are no failure.
"""

import argparse
import queue
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Final

from tests.security.copies import make_copy
from tests.security.listed import MUTANTS
from tests.security.mutant import RULES, Mutant
from tests.security.running import Outcome, Result, Runner, Verdict, failures, try_mutant
from tests.security.summary import summary_of

_BAD: Final = frozenset({Verdict.SURVIVED, Verdict.BROKEN})


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the command line asks for; return the exit status."""
    asked = _read_command_line(arguments)
    chosen = [mutant for mutant in MUTANTS if mutant.rule in (asked.rules or RULES)]
    chosen = [mutant for mutant in chosen if asked.only in f"{mutant.file} {mutant.what}"]
    if not chosen:
        _say("there is no such mutant: see --list")
        return 2
    if asked.list:
        for mutant in chosen:
            _say(f"{mutant.rule:4}  {mutant.file}: {mutant.what}")
        return 0
    with tempfile.TemporaryDirectory(prefix="mutants-", ignore_cleanup_errors=True) as scratch:
        return _run_in_copies(chosen, asked.at_once, Path(scratch))


def _read_command_line(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.security",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("rules", nargs="*", type=_rule, metavar="RULE")
    parser.add_argument("--list", action="store_true", help="say which there are, run nothing")
    parser.add_argument("--only", default="", help="those with this text in file or description")
    parser.add_argument("--at-once", type=_number, default=2, help="how many run side by side: 2")
    return parser.parse_args(arguments)


def _number(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        message = f"a number from 1 on, not {text!r}"
        raise argparse.ArgumentTypeError(message)
    return int(text)


def _rule(text: str) -> int:
    # argparse's own choices refuse that there is none.
    if not text.isdecimal() or int(text) not in RULES:
        message = f"THREATS.md has rules {RULES[0]} to {RULES[-1]}, and none is {text!r}"
        raise argparse.ArgumentTypeError(message)
    return int(text)


def _run_in_copies(chosen: Sequence[Mutant], at_once: int, scratch: Path) -> int:
    with ExitStack() as stack:
        runners = []
        for number in range(at_once):
            folder = scratch / str(number)
            folder.mkdir()
            runners.append(stack.enter_context(closing(Runner(make_copy(folder)))))
        return _Round(chosen, runners).run()


class _Round:
    """All chosen mutants, one after the other in each of the copies."""

    def __init__(self, chosen: Sequence[Mutant], runners: Sequence[Runner]) -> None:
        self._chosen = chosen
        self._at_once = len(runners)
        self._idle: queue.SimpleQueue[Runner] = queue.SimpleQueue()
        for runner in runners:
            self._idle.put(runner)
        self._before: list[Outcome] = []
        self._results: list[Result] = []

    def run(self) -> int:
        """Run tests and mutants; return the exit status. What is known is told in any case."""
        began = time.monotonic()
        tests = {test for mutant in self._chosen for test in mutant.tests}
        _say(f"{len(tests)} tests as they are, then {len(self._chosen)} mutants")
        several = ThreadPoolExecutor(self._at_once)
        try:
            files = sorted({test.partition("::")[0] for test in tests})
            for _ in several.map(lambda file: self._run_as_it_is(file, tests), files):
                pass
            wrong = failures(self._before)
            for outcome in wrong:
                _say(f"fails without any mutant: {outcome.test}: {outcome.why}")
            for _ in several.map(self._try, self._chosen):
                pass
        finally:
            # Whoever ends this waits for those that are under way.
            several.shutdown(cancel_futures=True)
            _say(summary_of(self._results, len(self._chosen), time.monotonic() - began))
        return 1 if wrong or any(result.verdict in _BAD for result in self._results) else 0

    def _run_as_it_is(self, file: str, tests: set[str]) -> None:
        """Run the named tests of one file without a mutant: one that hangs costs no other's."""
        named = sorted(test for test in tests if test.partition("::")[0] == file)
        with self._a_runner() as runner:
            run = runner.run(named)
        self._before += run.outcomes
        if not run.ended:
            _say(f"does not end without any mutant: {file}")
        elif not run.outcomes:
            _say(f"cannot be run as it is: {file}: {run.said[-2000:]}")

    def _try(self, mutant: Mutant) -> None:
        try:
            with self._a_runner() as runner:
                result = try_mutant(runner, mutant, self._before)
        except Exception as error:  # noqa: BLE001 - whatever it is, the others are run
            result = Result(mutant, Verdict.BROKEN, repr(error))
        self._results.append(result)
        _say(f"{mutant.rule:4}  {result.verdict:10} {mutant.file}: {mutant.what} ({result.why})")

    @contextmanager
    def _a_runner(self) -> Iterator[Runner]:
        runner = self._idle.get()
        try:
            yield runner
        finally:
            self._idle.put(runner)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
