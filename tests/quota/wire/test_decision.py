"""A refusal goes over the wire with what it follows from, what helps, and who is in the way."""

import pytest
from sublet_quota.amounts.gpu_amounts import GpuAmount
from sublet_quota.names.ids import GroupName
from sublet_quota.reasons.derivation import Derivation, DocumentLine, Rule, derivation_sentence
from sublet_quota.reasons.helping import Help, HelpKind
from sublet_quota.wire.decision import (
    ToldDerivation,
    derivation_of,
    tell_derivation,
    tell_help,
    tell_waits_for,
)

LINE = DocumentLine("groups.lab.limit.H100", 12)


@pytest.mark.parametrize(
    ("why", "says"),
    [
        (
            Derivation(Rule.LIMIT, GroupName("lab"), (LINE,)),
            "Decided by a limit, for group 'lab' (groups.lab.limit.H100, line 12).",
        ),
        (
            Derivation(Rule.LIMIT, GroupName("lab"), (LINE,), said=frozenset((LINE,))),
            "Decided by a limit, for group 'lab'.",
        ),
        (
            Derivation(
                Rule.LIMIT, GroupName("lab"), (LINE,), said=frozenset((LINE,)), says_group=True
            ),
            "",
        ),
        (
            Derivation(
                Rule.LIMIT,
                GroupName("lab"),
                (LINE, DocumentLine("groups.lab.budget", 13)),
                said=frozenset((LINE,)),
                says_group=True,
            ),
            "Decided by a limit, for group 'lab' (groups.lab.budget, line 13).",
        ),
        (
            Derivation(Rule.ROOM),
            "Decided by the room that there is and that can be made.",
        ),
        (
            Derivation(Rule.RIGHT, None, tuple(DocumentLine(f"k{n}", None) for n in range(5))),
            "Decided by what may be picked (k0; k1; k2; ...).",
        ),
    ],
)
def test_what_a_decision_follows_from_is_told_as_a_sentence(why: Derivation, says: str) -> None:
    assert derivation_sentence(why) == says


@pytest.mark.parametrize("rule", Rule)
def test_what_a_decision_follows_from_is_read_as_it_was_told(rule: Rule) -> None:
    unsaid = DocumentLine("when nobody says", None)
    said = frozenset((unsaid,))
    why = Derivation(rule, GroupName("lab"), (LINE, unsaid), said=said, says_group=True)
    told = ToldDerivation.model_validate_json(tell_derivation(why).model_dump_json())
    assert derivation_of(told) == why
    assert told.words == derivation_sentence(why)


def test_a_rule_of_a_newer_service_is_none_that_is_known_here() -> None:
    assert derivation_of(ToldDerivation(rule="by-budget", words="Decided by a budget.")) is None


def test_what_would_help_is_told_by_its_code_with_its_words_and_amounts() -> None:
    less = tell_help(Help(HelpKind.LESS, amount=GpuAmount(20480, 500)))
    assert (less.kind, less.words) == ("less", "ask for 20 GiB, 0.5 GPU or less")
    assert (less.memory_mib, less.compute_milli) == (20480, 500)
    sizes = tell_help(Help(HelpKind.OTHER_SIZE, ("small", "tiny")))
    assert (sizes.words, sizes.names) == ("pick another size (small, tiny)", ("small", "tiny"))


def test_whose_slices_are_in_the_way_is_told_by_names_of_groups_alone() -> None:
    assert tell_waits_for((None, GroupName("b"), GroupName("a"))) == (
        "'a'",
        "'b'",
        "users without a group",
    )
    many = tell_waits_for(tuple(GroupName(f"g{n:04}") for n in range(1000)))
    assert (len(many), many[-1]) == (21, "...")
