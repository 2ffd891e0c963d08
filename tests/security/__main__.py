"""`make mutants`: switch each rule of THREATS.md off, and see that a test notices.

    make mutants                  # all of them: twenty minutes or so on two cores
    make mutants RULES="4 7"      # those of these rules
    python -m tests.security --list

Ends with 1 where a mutant survives or is broken, or a test fails without any.
"""

import argparse
import queue
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from tests.security.copies import Copy, make_copy
from tests.security.listed import MUTANTS
from tests.security.mutant import RULES, Mutant
from tests.security.running import Outcome, Result, Verdict, failures, run_tests, try_mutant

_AT_ONCE: Final = 2
_BAD: Final = frozenset({Verdict.SURVIVED, Verdict.BROKEN})


def main() -> int:
    """Run what the command line asks for; return the exit status."""
    asked = _read_command_line()
    chosen = [mutant for mutant in MUTANTS if mutant.rule in (asked.rules or RULES)]
    if asked.only:
        chosen = [mutant for mutant in chosen if asked.only in f"{mutant.file} {mutant.what}"]
    if asked.list:
        for mutant in chosen:
            _say(f"{mutant.rule:4}  {mutant.file}: {mutant.what}")
        return 0
    with tempfile.TemporaryDirectory(prefix="mutants-", ignore_cleanup_errors=True) as scratch:
        return _run(chosen, Path(scratch))


def _read_command_line() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.security", description=__doc__)
    parser.add_argument("rules", nargs="*", type=int, choices=RULES, metavar="RULE")
    parser.add_argument("--list", action="store_true", help="say which there are, run nothing")
    parser.add_argument("--only", default="", help="those with this text in file or description")
    return parser.parse_args()


def _run(chosen: Sequence[Mutant], scratch: Path) -> int:
    copies: queue.SimpleQueue[Copy] = queue.SimpleQueue()
    for number in range(_AT_ONCE):
        folder = scratch / str(number)
        folder.mkdir()
        copies.put(make_copy(folder))
    before = _as_it_is(chosen, copies)
    wrong = failures(before)
    for outcome in wrong:
        _say(f"fails without any mutant: {outcome.test}: {outcome.why}")

    def one(mutant: Mutant) -> Result:
        copy = copies.get()
        try:
            result = try_mutant(copy, mutant, before)
        finally:
            copies.put(copy)
        _say(f"{mutant.rule:4}  {result.verdict:10} {mutant.file}: {mutant.what} ({result.why})")
        return result

    with ThreadPoolExecutor(_AT_ONCE) as several:
        results = list(several.map(one, chosen))
    _summarise(results)
    return 1 if wrong or any(result.verdict in _BAD for result in results) else 0


def _as_it_is(chosen: Sequence[Mutant], copies: "queue.SimpleQueue[Copy]") -> list[Outcome]:
    """Return how the named tests end without a mutant, those of a file in one run."""
    tests = sorted({test for mutant in chosen for test in mutant.tests})
    files = sorted({test.partition("::")[0] for test in tests})

    def some(part: int) -> Sequence[Outcome]:
        of_part = set(files[part::_AT_ONCE])
        named = [test for test in tests if test.partition("::")[0] in of_part]
        copy = copies.get()
        try:
            run = run_tests(copy, named) if named else None
        finally:
            copies.put(copy)
        if run is not None and not run.outcomes:
            message = f"the tests cannot be run as they are:\n{run.said[-4000:]}"
            raise SystemExit(message)
        return () if run is None else run.outcomes

    _say(f"{len(tests)} tests as they are, then {len(chosen)} mutants, {_AT_ONCE} at a time")
    with ThreadPoolExecutor(_AT_ONCE) as several:
        return [outcome for part in several.map(some, range(_AT_ONCE)) for outcome in part]


def _summarise(results: Sequence[Result]) -> None:
    _say("\nrule  mutants  noticed  survived  broken  not run")
    for rule in RULES:
        of_rule = [result.verdict for result in results if result.mutant.rule == rule]
        if of_rule:
            noticed = sum(v in {Verdict.NOTICED, Verdict.NEVER_ENDS} for v in of_rule)
            rest = [of_rule.count(v) for v in (Verdict.SURVIVED, Verdict.BROKEN, Verdict.NOT_RUN)]
            _say(f"{rule:4}{len(of_rule):9}{noticed:9}{rest[0]:10}{rest[1]:8}{rest[2]:9}")
    for result in results:
        if result.verdict is Verdict.NOT_RUN:
            _say(f"not run: rule {result.mutant.rule}, {result.mutant.what}: {result.why}")


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
