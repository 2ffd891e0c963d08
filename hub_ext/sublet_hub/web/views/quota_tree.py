"""Every group with what it holds of its guarantee and limits, and who has more than they may.

Of thousands of people that takes a second: the loop goes on every few milliseconds, so each group
and person is told as they were at some moment of that.
"""

import asyncio
import time
from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import chain
from typing import Final

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

from sublet_hub.state.capacity import Capacity
from sublet_hub.state.owner_accounts import OwnerAccounts
from sublet_hub.usage.budgets.standings import Budgets, budget_info
from sublet_hub.web.views.quota_previews import excess_info
from sublet_hub.web.views.quota_share import group_share, outside_share

_AT_A_STRETCH_S: Final = 0.02


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
    work = chain(
        _nodes(holdings, spent, nodes),
        _people(holdings, accounts, owners, over),
    )
    stretch_s = time.monotonic()
    for _ in work:
        if time.monotonic() - stretch_s > _AT_A_STRETCH_S:
            await asyncio.sleep(0)
            stretch_s = time.monotonic()
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


def _nodes(
    holdings: Holdings, spent: Mapping[GroupName, BudgetInfo], into: list[GroupNode]
) -> Iterator[None]:
    document = holdings.document
    for name in document.all_groups:
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
