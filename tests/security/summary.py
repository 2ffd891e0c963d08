"""The table at the end: how many mutants of each rule were noticed, and each that was not."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from tests.security.mutant import RULES
from tests.security.running import Result, Verdict

_COLUMNS = (
    (Verdict.NOTICED, Verdict.NEVER_ENDS),
    (Verdict.SURVIVED,),
    (Verdict.BROKEN,),
    (Verdict.NOT_RUN,),
)


def summary_of(results: Sequence[Result], chosen: int, took_s: float) -> str:
    """Return the table, and below it what asks for somebody: survivors, and what was not run."""
    lines = ["", "rule  mutants  noticed  survived  broken  not run"]
    for rule in RULES:
        of_rule = [result.verdict for result in results if result.mutant.rule == rule]
        if of_rule:
            lines.append(_row(str(rule), of_rule))
    lines += [_row("all", [result.verdict for result in results]), ""]
    for verdict in (Verdict.SURVIVED, Verdict.BROKEN, Verdict.NEVER_ENDS):
        lines += [f"{verdict}: {_named(each)}" for each in results if each.verdict is verdict]
    reasons: defaultdict[str, list[Result]] = defaultdict(list)
    for each in results:
        if each.verdict is Verdict.NOT_RUN:
            reasons[each.why].append(each)
    for why, those in reasons.items():
        lines.append(f"not run, as {why}:")
        lines += [f"    rule {each.mutant.rule}, {each.mutant.what}" for each in those]
    if len(results) < chosen:
        lines.append(f"ended before its time: {chosen - len(results)} were not tried")
    lines.append(f"{len(results)} mutants in {took_s / 60:.0f} minutes")
    return "\n".join(lines)


def _named(result: Result) -> str:
    mutant = result.mutant
    return f"rule {mutant.rule}, {mutant.what} ({mutant.file}): {result.why}"


def _row(name: str, verdicts: Sequence[Verdict]) -> str:
    counts = (_count(verdicts, those) for those in _COLUMNS)
    widths = (9, 10, 8, 9)
    told = "".join(f"{count:{width}}" for count, width in zip(counts, widths, strict=True))
    return f"{name:>4}{len(verdicts):9}{told}"


def _count(verdicts: Iterable[Verdict], those: Sequence[Verdict]) -> int:
    return sum(verdict in those for verdict in verdicts)
