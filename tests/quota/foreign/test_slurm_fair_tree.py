"""Slurm's fair tree, asked of ours: accounts and users as groups, a row of the result at a time.

Ours has no shares called ``parent``. An account with them is left out, and its children are its
siblings; a user with them is counted as having used nothing, which is first among the siblings.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import pytest
from sublet_quota.shares.fair_order import ranks
from sublet_quota.shares.group_tree import ROOT, GroupNode, GroupTree, NodeName

from tests.quota.foreign.foreign_cases import Case, NotSayableError, compare, load, rows_of

FILE = "slurm_fair_tree.yaml"


def name_of(row: Case) -> NodeName:
    return NodeName(row["account"] if row["user"] is None else f"{row['account']}.{row['user']}")


@dataclass(frozen=True)
class FairTree:
    """Slurm's tree as ours, and what it says of its nodes."""

    rows: list[Case]

    def tree(self) -> GroupTree:
        (root,) = [row for row in self.rows if row["parent"] is None]
        return GroupTree(GroupNode(ROOT, children=tuple(self._below(root["id"]))))

    def _below(self, parent: int) -> list[GroupNode]:
        made: list[GroupNode] = []
        for row in self.rows:
            if row["parent"] != parent:
                continue
            children = [] if row["user"] else self._below(row["id"])
            if row["user"] is None and row["shares"] == "parent":
                made.extend(children)
            else:
                weight = 1 if row["shares"] == "parent" else row["shares"]
                made.append(GroupNode(name_of(row), weight, children=tuple(children)))
        return made

    def used(self) -> dict[NodeName, Fraction]:
        users = {name_of(row): Fraction(row["usage"]) for row in self.rows if row["user"]}
        return self.tree().sums(users)

    def places(self) -> dict[NodeName, int]:
        used: dict[NodeName, Any] = dict(self.used())
        used.update({name_of(r): 0 for r in self.rows if r["user"] and r["shares"] == "parent"})
        return ranks(self.tree(), used)


def row_agrees(case: Case, row: Case) -> bool:
    fair = FairTree(case["tree"])
    tree, used, places = fair.tree(), fair.used(), fair.places()
    name = ROOT if row["account"] == "root" and row["user"] is None else name_of(row)
    if name not in tree.nodes:
        raise NotSayableError
    if used[name] != row["raw_usage"]:
        return False
    if row["fair_share"] is not None:
        users = len(list(tree.leaves()))
        return round((users - places[name]) / users, case["decimals"]) == row["fair_share"]
    siblings = {
        name_of(other): other["level_fs"]
        for other in case["expect"]
        if other["user"] is None and other["level_fs"] is not None
    }
    return all(
        places[name] < places[other]
        for other, level in siblings.items()
        if other in tree.nodes
        and name != ROOT
        and tree.paths[other][:-1] == tree.paths[name][:-1]
        and siblings[name] > level
    )


@pytest.mark.parametrize(("number", "row_id"), rows_of(FILE))
def test_who_comes_when(number: int, row_id: str) -> None:
    case = load(FILE)["cases"][0]
    compare(row_id, lambda: row_agrees(case, case["expect"][number]))
