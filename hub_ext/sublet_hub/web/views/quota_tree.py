"""Every group with what it holds of its guarantee and limits, and who has more than they may.

Of thousands of people that takes a second: the loop goes on every few milliseconds, so each group
and person is told as they were at some moment of that. Of most nothing is another than when it was
asked last, and they are told as then.
"""

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from typing import Any, Final

from pydantic_core import to_json
from sublet_quota.document.administered.groups import with_all_below
from sublet_quota.document.group_limits import limit_of
from sublet_quota.document.lookups.group_paths import key_path
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.document.sections import GroupQuota
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.names.ids import GroupName, UserName
from sublet_quota.preview.beyond import (
    Excess,
    KnownRights,
    excesses_of_group,
    excesses_of_person,
)
from sublet_quota.preview.present_state import PersonHere
from sublet_quota.shares.group_tree import GroupTree, NodeName
from sublet_quota.shares.reclaim import Position
from sublet_quota.wire.budget import BudgetInfo
from sublet_quota.wire.quota_preview import MOST_TOLD
from sublet_quota.wire.quota_tree import GroupNode, QuotaTree
from sublet_quota.wire.share import GroupShare

from sublet_hub.state.stores import Stores
from sublet_hub.usage.budgets.standings import Budgets, budget_info
from sublet_hub.web.views.quota_previews import excess_info
from sublet_hub.web.views.quota_share import group_share, outside_share

_AT_A_STRETCH_S: Final = 0.02
_MOST_ANSWERS: Final = 200
"""Of so many answers is known when they were first so; of another the next tells that it is new."""
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


@dataclass(frozen=True, slots=True)
class _KnownGroup:
    """A group as it was told last, and all that this hung on beside the document."""

    types: frozenset[str]
    """The GPU types of which the document says something."""
    hung_on: tuple[Any, ...]
    node: GroupNode


@dataclass(frozen=True, slots=True)
class _KnownPerson:
    """What somebody had more than they may, and all that this hung on beside the document."""

    hung_on: tuple[Any, ...]
    over: tuple[Excess, ...]


@dataclass(frozen=True, slots=True)
class _Answer:
    """When an answer was first so."""

    at: datetime
    digest: bytes


class QuotaTrees:
    """Reckons trees, one at a time: each group and person anew where something is another."""

    def __init__(self, stores: Stores, budgets: Budgets) -> None:
        self._stores = stores
        self._budgets = budgets
        self._turn = asyncio.Lock()
        self._document: QuotaDocument | None = None
        """By which groups and people are known; by none of before, which would all be kept."""
        self._groups: dict[GroupName, _KnownGroup] = {}
        self._people: dict[UserName, _KnownPerson] = {}
        self._answers: OrderedDict[tuple[GroupName, ...] | None, _Answer] = OrderedDict()

    async def whole(self, revision: int | None) -> bytes:
        """Return all groups, and the people who are over, as they are now, as JSON.

        ``revision``: the one in force.
        """
        async with self._turn:
            holdings, accounts = self._stores.capacity.holdings, self._stores.accounts
            owners = sorted({holding.owner for holding in holdings.slices()})
            await accounts.have_read(owners)
            nodes: list[GroupNode] = []
            over: list[Excess] = []
            every, standing = holdings.document.all_groups, self._standing(holdings)
            await _done(
                chain(
                    self._nodes(standing, every, nodes),
                    self._people_over(holdings, owners, over),
                ),
                standing,
            )
            self._groups = {name: self._groups[name] for name in every}
            self._people = {owner: self._people[owner] for owner in owners}
            unmet = tuple(holdings.warnings())
            tree = QuotaTree(
                at=self._stores.now(),
                revision=revision,
                groups=tuple(nodes),
                outside=outside_share(holdings),
                people=len(owners),
                over=tuple(map(excess_info, over[:MOST_TOLD])),
                unmet=tuple(each.words for each in unmet[:MOST_TOLD]),
                left_out=max(0, len(over) - MOST_TOLD) + max(0, len(unmet) - MOST_TOLD),
            )
            return self._written(None, tree)

    async def below(self, groups: tuple[GroupName, ...]) -> bytes:
        """Return these groups with all below them, as if there were no others, as JSON.

        What lies above or beside them is not told, nor on which line of the whole document they
        stand, nor which revision that is: these are sums of others. Of people only how many hold
        what these groups pay: what one may have can come of other groups.
        """
        async with self._turn:
            holdings = self._stores.capacity.holdings
            document = holdings.document
            theirs = with_all_below(document, groups)
            nodes: list[GroupNode] = []
            named = (each for each in document.all_groups if each in theirs)
            standing = self._standing(holdings)
            await _done(self._nodes(standing, named, nodes), standing)
            tree = QuotaTree(
                at=self._stores.now(),
                revision=None,
                groups=tuple(_alone(node, theirs) for node in nodes),
                outside=_NOTHING,
                people=len({each.owner for each in holdings.slices() if each.group in theirs}),
                over=(),
                unmet=(),
                left_out=0,
            )
            return self._written(groups, tree)

    def _written(self, asked: tuple[GroupName, ...] | None, tree: QuotaTree) -> bytes:
        """Return a tree as JSON, byte for byte as before where nothing but the time is another."""
        rest = tree.model_dump_json(exclude={"at"}).encode()
        digest = hashlib.sha256(rest).digest()
        known = self._answers.get(asked)
        if known is None or known.digest != digest:
            known = self._answers[asked] = _Answer(tree.at, digest)
        self._answers.move_to_end(asked)
        while len(self._answers) > _MOST_ANSWERS:
            self._answers.popitem(last=False)
        return b'{"at":' + to_json(known.at) + b"," + rest[1:]

    def _standing(self, holdings: Holdings) -> "_Standing":
        """Begin with groups under the document of these holdings."""
        if self._document is not holdings.document:
            self._document = holdings.document
            self._groups.clear()
            self._people.clear()
        return _Standing(holdings)

    def _nodes(
        self, standing: "_Standing", names: Iterable[GroupName], into: list[GroupNode]
    ) -> Iterator[None]:
        spent = {each.group: budget_info(each) for each in self._budgets.of_groups()}
        for name in names:
            into.append(self._node(standing, name, spent.get(name)))
            yield

    def _node(self, standing: "_Standing", name: GroupName, budget: BudgetInfo | None) -> GroupNode:
        holdings = standing.holdings
        document = holdings.document
        group, known = document.all_groups[name], self._groups.get(name)
        types = _types_of(group) if known is None else known.types
        hung_on = (budget, *standing.of(NodeName(name), types))
        if known is not None and known.hung_on == hung_on:
            return known.node
        node = GroupNode(
            share=group_share(holdings, name),
            weight=group.weight,
            members=(name,) if group.members is None else group.members,
            over=tuple(map(excess_info, excesses_of_group(holdings, name))),
            budget=budget,
            line=document.line_of(key_path(document.path_of(name))),
        )
        self._groups[name] = _KnownGroup(types, hung_on, node)
        return node

    def _people_over(
        self, holdings: Holdings, owners: list[UserName], into: list[Excess]
    ) -> Iterator[None]:
        rights = KnownRights()
        for owner in owners:
            account = self._stores.accounts.find(owner)
            person = PersonHere(owner, () if account is None else account.groups)
            hung_on = (
                person.hub_groups,
                holdings.held_by(owner),
                holdings.jobs_held_by(owner),
                holdings.jobs_held_back_by(owner),
            )
            known = self._people.get(owner)
            if known is None or known.hung_on != hung_on:
                over = tuple(excesses_of_person(holdings, person, rights))
                known = self._people[owner] = _KnownPerson(hung_on, over)
            into.extend(known.over)
            yield


def _types_of(group: GroupQuota) -> frozenset[str]:
    return frozenset((*limit_of(group.limit).types, *group.guaranteed))


class _Standing:
    """How all groups stand; on each type it is asked for once, as that takes longer than all else.

    And anew after others had turns: what is kept of a group is then as it hung on this.
    """

    def __init__(self, holdings: Holdings) -> None:
        self.holdings = holdings
        self._of_types: dict[str, tuple[Position, GroupTree]] = {}

    def forget(self) -> None:
        """Look anew: something may be another."""
        self._of_types.clear()

    def of(self, node: NodeName, types: frozenset[str]) -> Iterator[Any]:
        """Yield all that is told of a group, beside what the document says of it."""
        holdings = self.holdings
        held, jobs = holdings.held(node), holdings.jobs_held(node)
        yield from (held, jobs, holdings.jobs_held_back(node))
        for each in sorted({*types, *held.cards, *jobs.cards}):
            found = self._of_types.get(each)
            if found is None:
                found = self._of_types[each] = holdings.position(each), holdings.tree(each)
            position, tree = found
            yield from (each, position.entitled.get(node), tree.nodes[node].guaranteed)


async def _done(work: Iterator[None], standing: _Standing) -> None:
    """Do a piece of work, in which others have turns."""
    stretch_s = time.monotonic()
    for _ in work:
        if time.monotonic() - stretch_s > _AT_A_STRETCH_S:
            await asyncio.sleep(0)
            standing.forget()
            stretch_s = time.monotonic()


def _alone(node: GroupNode, theirs: frozenset[GroupName]) -> GroupNode:
    """Return a group without what lies above those of which is asked."""
    path = tuple(name for name in node.share.path if name in theirs)
    share = node.share.model_copy(update={"path": path})
    budget = None if node.budget is None else node.budget.model_copy(update={"line": None})
    return node.model_copy(update={"share": share, "budget": budget, "line": None})
