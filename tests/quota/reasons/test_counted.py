"""Numbers in sentences: nouns and verbs agree with them, in every table of words."""

import ast
import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest
from sublet_quota import reasons
from sublet_quota.reasons.counted import Counted, counted
from sublet_quota.reasons.guarantee_warnings import GuaranteeFault, GuaranteeWarning
from sublet_quota.reasons.helping import ADMIN
from sublet_quota.reasons.job_reasons import JobReason, JobReasonCode, job_clause
from sublet_quota.reasons.refusals.jobs import JobRefusal
from sublet_quota.reasons.refusals.notebooks import NotebookRefusal
from sublet_quota.reasons.refusals.refuse import HELPS, RefusalCode, facts_of, refuse
from sublet_quota.reasons.refusals.servers import ServerRefusal
from sublet_quota.reasons.waiting import AwaitedMove, CellWait, WaitReason, cell_sentence

from tests.quota.reasons.test_refusals import CARDS, CODES, NUMBERS, sample

NOUNS = (
    "GPUs|cards|slices|jobs|times|nodes|letters|characters|environment variables|minutes|hours|"
    "days|processes|servers|others|pods|seconds"
)
VERBS = "are|have|lie|were|wait|run|hold|take|come|need|do"
OF_MANY = re.compile(
    rf"\{{[^{{}}]*\}} (?:{NOUNS})\b"
    rf"|\{{[^{{}}]*\}}(?: of \{{[^{{}}]*\}})?(?: that)? (?:{VERBS})\b"
)
"""A fact before a word of many: right for one only where the fact is never one."""
NEVER_ONE = {
    "There is no GPU of type {asked_type} that jobs could use{nearest}. There are: {types}.",
    "There is no PriorityClass {name} ({value}), so pods of {whose} are refused",
    "if slices of {gpu_type} are held as long as lately",
    "the GPUs{there} that are open to jobs now",
    "begins when all slices on one GPU{there} are idle",
    "a value that is longer than {most_characters} characters",
    "give a name of 1 to {most_letters} letters",
    "{wait.others} others are",
    "{one} of {kept.node} are {until}",
    "{_payer(None)} have",
    "all {count} GPUs are",
    "those below {least_uid} are the system's",
    " else cards} cards",
}
"""Names and bounds, and what is written for more than one alone."""
BOUNDS = {"most_characters", "most_letters"}
"""Always many."""
WRONG_OF_ONE = re.compile(
    rf"\b1 (?:{NOUNS})\b"
    rf"|(?<![\d.])1 (?:GPU|card|slice|job|[KMG]iB|time|node)(?: of \S+)?(?: that)? (?:{VERBS})\b"
)
WRONG_OF_TWO = re.compile(
    r"\b2 (?:GPU|card|slice|job|time|node|pod|environment variable)\b"
    r"|\b2 (?:GPUs|cards|slices|jobs|nodes)(?: of \S+)?(?: that)? (?:is|has|lies|was|comes)\b"
)


def templates() -> Iterator[str]:
    """All texts of the package, with what is put into them in braces."""
    for path in Path(reasons.__path__[0]).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Constant(value=str(text)):
                    yield text
                case ast.JoinedStr(values=values):
                    parts = (
                        part.value if isinstance(part, ast.Constant) else f"{{{_source(part)}}}"
                        for part in values
                    )
                    yield "".join(parts).replace("{{", "{").replace("}}", "}")


def _source(part: ast.expr) -> str:
    return ast.unparse(part.value) if isinstance(part, ast.FormattedValue) else ast.unparse(part)


def test_no_sentence_has_a_word_of_many_behind_what_may_be_one() -> None:
    found = {text for text in templates() if OF_MANY.search(text)}
    unknown = {text for text in found if not any(known in text for known in NEVER_ONE)}
    assert unknown == set()


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("code", CODES)
def test_every_refusal_agrees_with_its_numbers(code: RefusalCode, number: int) -> None:
    facts = sample(code)
    facts |= {name: number for name in facts if name in NUMBERS and name not in BOUNDS}
    facts |= {name: Fraction(number) for name in facts if name in CARDS}
    _agrees(refuse(code, helps=ADMIN if HELPS in facts_of(code) else (), **facts).message)


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.parametrize("fault", GuaranteeFault)
def test_every_warning_of_guarantees_agrees_with_its_numbers(
    fault: GuaranteeFault, number: int
) -> None:
    cards = Fraction(number)
    _agrees(GuaranteeWarning(fault, "H100", cards, cards, "physics").words)


@pytest.mark.parametrize("gib", [1, 2])
@pytest.mark.parametrize("move", [None, *AwaitedMove])
@pytest.mark.parametrize("reason", WaitReason)
def test_every_wait_of_a_cell_agrees_with_its_numbers(
    reason: WaitReason, move: AwaitedMove | None, gib: int
) -> None:
    mib = gib * 1024
    wait = CellWait(reason, move=move, need_mib=mib, moving_mib=mib, others=gib, seconds_left=5.0)
    _agrees(cell_sentence(wait))


def _agrees(told: str) -> None:
    assert WRONG_OF_ONE.search(told) is None, told
    assert WRONG_OF_TWO.search(told) is None, told


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (
            GuaranteeFault.CARDS_SHORT,
            (
                "1 card of H100 is guaranteed, and 1 card can keep guarantees: whole cards in "
                "proportion are in force"
            ),
        ),
        (
            GuaranteeFault.NOT_LAID_OUT,
            (
                "1 card of H100 that is guaranteed to physics lies on no card: parts of cards do "
                "not fit together on the 1 card that there is"
            ),
        ),
        (
            GuaranteeFault.OUTSIDE,
            (
                "1 card of H100 that physics is guaranteed lies beside what is guaranteed to "
                "others, on their cards: 1 card of it by turns behind them"
            ),
        ),
    ],
)
def test_one_card_is_guaranteed(fault: GuaranteeFault, words: str) -> None:
    assert GuaranteeWarning(fault, "H100", Fraction(1), Fraction(1), "physics").words == words


def test_half_a_card_and_none_are_told_as_many() -> None:
    for cards, told in (("1/2", "0.5 cards"), ("0", "0 cards"), ("1/3", "1/3 cards")):
        warning = GuaranteeWarning(
            GuaranteeFault.CARDS_SHORT, "H100", Fraction(cards), Fraction(cards)
        )
        assert warning.words.startswith(f"{told} of H100 are guaranteed, and {told} can keep")


@pytest.mark.parametrize(
    ("refusal", "words"),
    [
        (
            refuse(ServerRefusal.GIVEN_TWICE, key="'size'", times=2),
            "'size' was given 2 times: give it once",
        ),
        (
            refuse(NotebookRefusal.TOO_MANY_VARIABLES, variables=1, most_variables=0),
            "1 environment variable: at most 0",
        ),
        (
            refuse(JobRefusal.SEVERAL_GPUS_WITHOUT_KUEUE, asked_gpus=2, most_gpus=1),
            (
                "The job asks for 2 GPUs, and without Kueue nobody here starts several pods "
                "together: ask for one, or ask an administrator"
            ),
        ),
    ],
)
def test_counts_of_refusals_bring_their_nouns(refusal, words: str) -> None:
    assert refusal.message == words


def test_a_reason_of_a_job_brings_its_nouns() -> None:
    once = JobReason(JobReasonCode.ANEW_ON_NODES, {"nodes": 1, "begun_times": 1})
    assert job_clause(once) == (
        "can run on 1 node now, and is queued anew for that; it was begun 1 time, and is not tried "
        "again"
    )


def test_a_counted_fact_is_written_as_it_is_and_other_formats_are_as_of_any_text() -> None:
    assert f"{counted(1, 'slice')}, {counted(3, 'slice'):.1}" == "1 slice, 3"
    assert f"{Counted('1.5 GiB'):are} {Counted('1 GiB'):have}" == "are has"
