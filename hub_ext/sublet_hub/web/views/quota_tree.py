"""Every group with what it holds of its guarantee and limits, and who has more than they may.

Of thousands of people that takes a second: the loop goes on every few milliseconds, so each group
and person is told as they were at some moment of that.
"""

import asyncio
import time
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from itertools import chain
from typing import Final

from sublet_quota.document.administered.groups import with_all_below
from sublet_quota.document.lookups.group_paths import key_path
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.names.ids import GroupName, UserName
from sublet_quota.preview.beyond import (
    Excess,
    KnownRights,
    excesses_of_group,
    excesses_of_person,
)
from sublet_quota.preview.present_state import PersonHere
from sublet_quota.wire.budget import BudgetInfo
from sublet_quota.wire.quota_preview import MOST_TOLD
from sublet_quota.wire.quota_tree import GroupNode, QuotaTree
from sublet_quota.wire.share import GroupShare

from sublet_hub.state.capacity import Capacity
from sublet_hub.state.owner_accounts import OwnerAccounts
from sublet_hub.usage.budgets.standings import Budgets, budget_info
from sublet_hub.web.views.quota_previews import excess_info
from sublet_hub.web.views.quota_share import group_share, outside_share

_AT_A_STRETCH_S: Final = 0.02
_NOTHING: Final = GroupShare(
    group=None,
    path=(),
    types=(),
    held_cards=0,
    limit_cards=None,
    held_mib=0,
    limit_mib=None,
    slices=0,
    most_slices=None,
)


async def quota_tree(
    capacity: Capacity,
    accounts: OwnerAccounts,
    budgets: Budgets,
    revision: int | None,
    now: datetime,
) -> QuotaTree:
    """Return all groups, and the people who are over, as they are now."""
    holdings = capacity.holdings
    spent = {each.group: budget_info(each) for each in budgets.of_groups()}
    owners = sorted({holding.owner for holding in holdings.slices()})
    nodes: list[GroupNode] = []
    over: list[Excess] = []
    every = holdings.document.all_groups
    await _done(
        chain(
            _nodes(holdings, spent, every, nodes),
            _people(holdings, accounts, owners, over),
        )
    )
    unmet = tuple(each.words for each in holdings.warnings())
    return QuotaTree(
        at=now,
        revision=revision,
        groups=tuple(nodes),
        outside=outside_share(holdings),
        people=len(owners),
        over=tuple(map(excess_info, over[:MOST_TOLD])),
        unmet=unmet[:MOST_TOLD],
        left_out=sum(max(0, len(found) - MOST_TOLD) for found in (over, unmet)),
    )


async def quota_tree_below(
    capacity: Capacity,
    budgets: Budgets,
    revision: int | None,
    groups: Iterable[GroupName],
    now: datetime,
) -> QuotaTree:
    """Return these groups with all below them, as if there were no others.

    What lies above or beside them is not told, nor on which line of the whole document they
    stand: that is a sum of others. Of people only how many hold what these groups pay: what one
    may have can come of other groups.
    """
    holdings = capacity.holdings
    document = holdings.document
    theirs = with_all_below(document, groups)
    spent = {each.group: budget_info(each) for each in budgets.of_groups() if each.group in theirs}
    nodes: list[GroupNode] = []
    await _done(
        _nodes(holdings, spent, (each for each in document.all_groups if each in theirs), nodes)
    )
    return QuotaTree(
        at=now,
        revision=revision,
        groups=tuple(_alone(node, theirs) for node in nodes),
        outside=_NOTHING,
        people=len({each.owner for each in holdings.slices() if each.group in theirs}),
        over=(),
        unmet=(),
        left_out=0,
    )


async def _done(work: Iterator[None]) -> None:
    """Do a piece of work, in which others have turns."""
    stretch_s = time.monotonic()
    for _ in work:
        if time.monotonic() - stretch_s > _AT_A_STRETCH_S:
            await asyncio.sleep(0)
            stretch_s = time.monotonic()


def _alone(node: GroupNode, theirs: frozenset[GroupName]) -> GroupNode:
    """Return a group without what lies above those of which is asked."""
    path = tuple(name for name in node.share.path if name in theirs)
    share = node.share.model_copy(update={"path": path})
    return node.model_copy(update={"share": share, "line": None})


def _nodes(
    holdings: Holdings,
    spent: Mapping[GroupName, BudgetInfo],
    names: Iterable[GroupName],
    into: list[GroupNode],
) -> Iterator[None]:
    document = holdings.document
    for name in names:
        into.append(_node(holdings, document, name, spent.get(name)))
        yield


def _node(
    holdings: Holdings, document: QuotaDocument, name: GroupName, budget: BudgetInfo | None
) -> GroupNode:
    group = document.all_groups[name]
    return GroupNode(
        share=group_share(holdings, name),
        weight=group.weight,
        members=(name,) if group.members is None else group.members,
        over=tuple(map(excess_info, excesses_of_group(holdings, name))),
        budget=budget,
        line=document.line_of(key_path(document.path_of(name))),
    )


def _people(
    holdings: Holdings, accounts: OwnerAccounts, owners: list[UserName], into: list[Excess]
) -> Iterator[None]:
    known: KnownRights = {}
    for owner in owners:
        account = accounts.find(owner)
        person = PersonHere(owner, () if account is None else account.groups)
        into.extend(excesses_of_person(holdings, person, known))
        yield
