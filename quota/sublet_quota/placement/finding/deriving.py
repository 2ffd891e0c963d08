"""What a slice that is granted follows from: the rule, who pays, the lines and the numbers."""

from collections.abc import Iterator
from math import floor

from sublet_quota.admission.slice_admission import Option
from sublet_quota.admission.told_lines import told_line
from sublet_quota.document.group_limits import source_of
from sublet_quota.document.lookups.group_paths import key_path
from sublet_quota.document.problems import KeyPath
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.names.ids import GroupName
from sublet_quota.reasons.derivation import Derivation, DocumentLine, Rule
from sublet_quota.shares.cards import NO_CARD
from sublet_quota.shares.group_tree import NodeName


def derived(holdings: Holdings, option: Option, rule: Rule) -> Derivation:
    """Return what the decision to grant an option follows from."""
    gpu_type = option.asked.gpu_type
    held = holdings.held(_node(option)).cards.get(gpu_type, NO_CARD)
    guaranteed = holdings.tree(gpu_type).nodes[_node(option)].guaranteed
    return Derivation(
        rule,
        option.group,
        tuple(_lines(holdings, option, rule)),
        {
            "asked_millicards": floor(option.asked.cards * 1000),
            "held_millicards": floor(held * 1000),
            "guaranteed_millicards": floor(guaranteed * 1000),
        },
    )


def _node(option: Option) -> NodeName:
    """Return the payer's group; the root's direct members where no group pays."""
    return option.node if option.group is None else NodeName(option.group)


def _lines(holdings: Holdings, option: Option, rule: Rule) -> Iterator[DocumentLine]:
    document = holdings.document
    if option.group is None:
        return
    path = document.path_of(option.group)
    if rule is Rule.GUARANTEE and option.steps:
        where = key_path(path[: min(option.steps, len(path))])
        yield _line(holdings, (*where, "guaranteed", option.asked.gpu_type))
    if rule is Rule.SHARE and document.all_groups[GroupName(path[-1])].weight != 1:
        yield _line(holdings, (*key_path(path), "weight"))


def guarantee_line(holdings: Holdings, group: GroupName, gpu_type: str) -> DocumentLine:
    """Return where the document says what a group is guaranteed of a type."""
    path = key_path(holdings.document.path_of(group))
    return _line(holdings, (*path, "guaranteed", gpu_type))


def _line(holdings: Holdings, path: KeyPath) -> DocumentLine:
    return told_line(source_of(holdings.document, path))
