"""Every code has its words: a table of words has all codes of its kind, each told by itself."""

import pkgutil
from collections.abc import Mapping
from enum import Enum
from importlib import import_module

import pytest
from sublet_quota import reasons
from sublet_quota.names.ids import GroupName
from sublet_quota.reasons.derivation import Derivation, DocumentLine, Rule, derivation_sentence
from sublet_quota.reasons.helping import Help, HelpKind, help_clause, helping_sentence
from sublet_quota.wire.decision import derivation_of, tell_derivation, tell_help

MODULES = [
    import_module(module.name)
    for module in pkgutil.walk_packages(reasons.__path__, f"{reasons.__name__}.")
]
CODES = {
    value
    for module in MODULES
    for value in vars(module).values()
    if isinstance(value, type) and issubclass(value, Enum) and value.__module__ == module.__name__
    if list(value)
}
TABLES = {
    f"{module.__name__}.{name}": table
    for module in MODULES
    for name, table in vars(module).items()
    if isinstance(table, Mapping) and table and all(isinstance(key, Enum) for key in table)
}
WITH_WORDS_OF_THEIR_OWN = {
    "GpuFault", "Consequence", "Fault", "HubStanding", "QuotaStanding", "QueueReason", "JobsOff",
}  # fmt: skip
"""Told by functions in which the type checker looks for every one."""
TOLD_ELSEWHERE = {
    "sublet_quota.reasons.waiting._MOVES": {"ANOTHERS"},
    "sublet_quota.reasons.cap_keepers._NOT_BY_DRIVER": {"KEPT"},
}


@pytest.mark.parametrize("name", sorted(TABLES))
def test_a_table_of_words_has_every_code(name: str) -> None:
    table = TABLES[name]
    (kind,) = {type(code) for code in table}
    missing = {code.name for code in kind} - {code.name for code in table}
    assert missing == TOLD_ELSEWHERE.get(name, set())


def test_every_kind_of_code_has_a_table() -> None:
    with_table = {type(code) for table in TABLES.values() for code in table}
    of_refusals = {
        each for each in CODES if each.__module__.startswith(f"{reasons.__name__}.refus")
    }
    without = {each.__name__ for each in CODES - with_table - of_refusals}
    assert without == WITH_WORDS_OF_THEIR_OWN


@pytest.mark.parametrize("rule", Rule)
def test_every_rule_is_told_with_group_and_lines(rule: Rule) -> None:
    why = Derivation(rule, GroupName("lab"), (DocumentLine("groups.lab", 3),))
    told = derivation_sentence(why)
    assert told.startswith(("Decided by ", "Decided as "))
    assert told.endswith(", for group 'lab' (groups.lab, line 3).")
    others = {derivation_sentence(Derivation(each)) for each in Rule if each is not rule}
    assert derivation_sentence(Derivation(rule)) not in others
    assert derivation_of(tell_derivation(why)) == why


@pytest.mark.parametrize("kind", HelpKind)
def test_every_help_is_told(kind: HelpKind) -> None:
    help_ = Help(kind, ("lab", "now", "later"))
    assert "{" not in help_clause(help_)
    assert helping_sentence((help_, help_)).count(help_clause(help_)[1:]) == 2
    assert tell_help(help_).words == help_clause(help_)
