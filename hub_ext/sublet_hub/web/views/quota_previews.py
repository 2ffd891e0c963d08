"""What would follow if another quota document were in force: reckoned beside the loop, and told.

One at a time, on a copy of how things are when its turn comes. Of very long lists the first
entries are told, and how many more there are.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from fractions import Fraction
from typing import Any, TypeVar

from sublet_quota.amounts.gpu_amounts import format_cards, format_memory
from sublet_quota.document.administered.bounds import PartAuthor
from sublet_quota.document.administered.groups import (
    GroupClaims,
    administered,
    are_administered,
    with_all_below,
)
from sublet_quota.document.administered.parts import WithPart
from sublet_quota.document.consistency.warnings import DocumentWarning
from sublet_quota.document.lookups.group_paths import key_path
from sublet_quota.document.problems import KeyPath, written_path
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.document.text.tree import read_tree
from sublet_quota.holdings.gpu_load import GpuFacts
from sublet_quota.jobs.waiting_job import WaitingJob
from sublet_quota.names.ids import GroupName, SliceId, UserName
from sublet_quota.placement.claims import Claim
from sublet_quota.preview.beyond import Excess
from sublet_quota.preview.job_changes import JobChange
from sublet_quota.preview.present_state import PersonHere, PresentState, present_state
from sublet_quota.preview.quota_preview import QuotaPreview, preview_quota
from sublet_quota.preview.rank_changes import RankChange
from sublet_quota.preview.rights_changes import RightChange
from sublet_quota.preview.within_groups import preview_within
from sublet_quota.reasons.guarantee_warnings import GuaranteeFault, GuaranteeWarning
from sublet_quota.reasons.waiting import QueueWait, queue_clause
from sublet_quota.residency.snapshot import Rank
from sublet_quota.shares.limits import LimitKind
from sublet_quota.wire.quota_preview import (
    MOST_NAMED,
    MOST_TOLD,
    ClaimInfo,
    ConcernedSlice,
    ExcessInfo,
    JobForecastChange,
    PlacedWarning,
    QuotaPreviewInfo,
    RankForecast,
    RightForecast,
)
from sublet_quota.wire.rank import ToldRank, code_of, tell_rank

from sublet_hub.errors import QuotaNotTheirsError
from sublet_hub.jobs.queue import JobQueue
from sublet_hub.slices.hub_names import HubNames
from sublet_hub.state.document_closings import DocumentClosings
from sublet_hub.state.quota_documents.in_database import read_applied
from sublet_hub.state.quota_documents.parts import changed_part
from sublet_hub.state.quota_documents.source import QuotaSource
from sublet_hub.state.stores import Stores
from sublet_hub.usage.budgets.standings import Budgets, budget_info

_Told = TypeVar("_Told")


class QuotaPreviews:
    """The previews of documents that might be put in force."""

    def __init__(
        self,
        stores: Stores,
        quota: QuotaSource,
        queue: JobQueue,
        budgets: Budgets,
        hub_names: HubNames,
    ) -> None:
        self._stores = stores
        self._budgets = budgets
        self._quota = quota
        self._queue = queue
        self._hub_names = hub_names
        self._turn = asyncio.Lock()
        self._turn_of_parts = asyncio.Lock()

    async def preview(self, text: str) -> bytes:
        """Return what would follow, as JSON. ``QuotaRefusedError`` with all that is wrong."""
        async with self._turn:
            # Of a large one it takes seconds, in which agents are to be heard.
            document = await asyncio.to_thread(read_applied, text)
            await self._hub_names.look_for_admin(document)
            state, told = self._present(), self._telling()
            in_force = document.at(told.at)
            names = (
                *DocumentClosings(in_force, told.at).missing(self._stores.ledger),
                *self._hub_names.warnings(in_force),
            )
            cards = self._stores.capacity.cards_under(in_force)
            return await asyncio.to_thread(_reckon, document, names, state, cards, told)

    async def preview_part(self, sent: str, claims: GroupClaims) -> bytes:
        """Return what would follow for an admin of groups of the part that they sent, as JSON.

        ``claims``: by what they are that. ``QuotaRefusedError``; ``QuotaNotTheirsError`` where they
        could not put it in force, or administer the groups no more when it was reckoned.
        """
        quota = self._quota
        while True:
            # Previews of all do not wait for what admins of groups send.
            async with self._turn_of_parts:
                document, now = quota.document, self._stores.now()
                groups = administered(document, claims)
                author = PartAuthor(groups, quota.most_of_part)
                made = await asyncio.to_thread(
                    changed_part, document, quota.text, author, sent, now
                )
            async with self._turn:
                if quota.document is not document:
                    continue
                state, told = self._present(), self._telling()
                cards = self._stores.capacity.cards_under(made.document.at(told.at))
                told.groups = groups
                found = await asyncio.to_thread(_reckon_part, made, sent, state, cards, told)
            if not are_administered(quota.document, claims, groups):
                message = "the groups of this part are not yours to set any more"
                raise QuotaNotTheirsError(message)
            return found

    def _telling(self) -> "_Telling":
        revision = self._quota.revision
        return _Telling(
            self._stores.now(),
            None if revision is None else revision.revision,
            self._queue.decides,
        )

    def _present(self) -> PresentState:
        capacity = self._stores.capacity
        jobs = self._queue.as_it_is()
        people = tuple(self._people((*jobs.waiting, *jobs.placed)))
        now = self._stores.now()
        return present_state(
            capacity.holdings, people, jobs, lambda document: self._budgets.under(document, now)
        )

    def _people(self, jobs: Iterable[WaitingJob]) -> Iterable[PersonHere]:
        groups: dict[UserName, tuple[str, ...]] = {job.owner: job.hub_groups for job in jobs}
        for holding in self._stores.capacity.holdings.slices():
            groups.setdefault(holding.owner, ())
        for owner in sorted(groups):
            account = self._stores.accounts.find(owner)
            yield PersonHere(owner, groups[owner] if account is None else account.groups)


class _Telling:
    """Makes the answer of what was reckoned, and counts what is left out."""

    def __init__(self, at: datetime, revision: int | None, are_jobs_planned: bool) -> None:  # noqa: FBT001
        self.at = at
        self._revision = revision
        self._are_jobs_planned = are_jobs_planned
        self._left_out = 0
        self.groups: tuple[GroupName, ...] | None = None
        """For whose admins it is told; ``None``: for who sees all."""

    def tell(
        self,
        preview: QuotaPreview,
        document: QuotaDocument,
        names: Sequence[DocumentWarning],
        state: PresentState,
    ) -> QuotaPreviewInfo:
        """Return the answer; ``names`` is what of those in the document is not there."""
        jobs = preview.jobs if self._are_jobs_planned else ()
        owners = {holding.slice_id: holding.owner for holding in state.slices}
        cards = {facts.gpu_id: facts for facts in state.held.cards}
        self._left_out += preview.claims.not_reckoned
        warnings = (*preview.warnings, *names)
        unmet = tuple(_of_guarantee(document, each) for each in preview.unmet)
        seen = document.all_groups if self.groups is None else with_all_below(document, self.groups)
        lists: dict[str, Any] = {
            "beyond": self._first(preview.beyond, excess_info),
            "budgets": self._first(preview.budgets, budget_info),
            "ranks": self._first(preview.ranks, _rank),
            "brought_back": self._first(preview.brought_back, lambda each: _slice(each, owners)),
            "claims": self._first(
                preview.claims.found, lambda each: _claim(each, owners, cards[each.gpu_id], seen)
            ),
            "jobs": self._first(jobs, _job),
            "unmet": self._first(preview.unmet, lambda warning: warning.words),
            "rights": self._first(preview.rights, _right),
            "reservations": self._first(preview.reservations, str),
            "warnings": self._first(warnings, str),
            "placed": tuple(map(placed_warning, (*warnings[:MOST_TOLD], *unmet[:MOST_TOLD]))),
        }
        if self.groups is not None:
            # Where the whole document says it is none of theirs.
            lists["placed"] = tuple(map(placed_warning, warnings[:MOST_TOLD]))
        return QuotaPreviewInfo(
            at=self.at,
            # Of a part it would count what is changed elsewhere.
            revision=self._revision if self.groups is None else None,
            groups=self.groups,
            people=len(state.people),
            jobs_are_planned=self._are_jobs_planned,
            left_out=self._left_out,
            **lists,
        )

    def _first(self, found: Sequence[_Told], tell: Callable[[_Told], object]) -> tuple[object, ...]:
        self._left_out += max(0, len(found) - MOST_TOLD)
        return tuple(tell(each) for each in found[:MOST_TOLD])


def _reckon(
    document: QuotaDocument,
    names: Sequence[DocumentWarning],
    state: PresentState,
    cards: tuple[GpuFacts, ...],
    told: _Telling,
) -> bytes:
    preview = preview_quota(state, document, told.at, cards)
    return told.tell(preview, document, names, state).model_dump_json().encode()


def _reckon_part(
    made: WithPart,
    sent: str,
    state: PresentState,
    cards: tuple[GpuFacts, ...],
    told: _Telling,
) -> bytes:
    groups = told.groups or ()
    preview, within = preview_within(state, made.document, groups, told.at, cards)
    tree = read_tree(sent)
    warnings = tuple(replace(each, line=tree.line_of(each.path)) for each in preview.warnings)
    people = tuple(each for each in state.people if each.owner in within.here)
    preview, state = replace(preview, warnings=warnings), replace(state, people=people)
    return told.tell(preview, made.document, (), state).model_dump_json().encode()


def _of_guarantee(document: QuotaDocument, warning: GuaranteeWarning) -> DocumentWarning:
    """Return where a document says the guarantee, or the number of cards, that is not met."""
    path: KeyPath = ()
    if warning.group in document.all_groups:
        above = document.path_of(GroupName(warning.group or ""))
        path = (*key_path(above), "guaranteed", warning.gpu_type)
    elif warning.fault in {
        GuaranteeFault.FEWER_THAN_EXPECTED,
        GuaranteeFault.MORE_THAN_EXPECTED,
    }:
        path = ("gpu_types", warning.gpu_type, "expect")
    return DocumentWarning(path, document.line_of(path) if path else None, warning.words)


def placed_warning(warning: DocumentWarning) -> PlacedWarning:
    """Return a warning with its line and its key."""
    return PlacedWarning(line=warning.line, key=written_path(warning.path), message=warning.words)


def excess_info(excess: Excess) -> ExcessInfo:
    """Return who holds more than they may, as it is told."""
    return ExcessInfo(
        beyond=excess.what.value,
        group=excess.group,
        owner=excess.owner,
        held=_amount(excess, excess.held),
        most=_amount(excess, excess.most),
    )


def _amount(excess: Excess, amount: Fraction) -> str:
    match excess.kind:
        case LimitKind.MEMORY:
            return format_memory(int(amount))
        case LimitKind.SLICES:
            return "1 slice" if amount == 1 else f"{amount} slices"
        case LimitKind.TYPE:
            return f"{format_cards(amount)} of {excess.gpu_type}"
        case LimitKind.CARDS:
            return format_cards(amount)


def _rank(change: RankChange) -> RankForecast:
    return RankForecast(
        slice_id=change.slice_id,
        owner=change.owner,
        group=change.group,
        before=_told_rank(change.before, change.group),
        after=_told_rank(change.after, change.group),
        at=change.at,
    )


def _told_rank(rank: Rank, group: str | None) -> ToldRank:
    return tell_rank(code_of(rank), group)


def _slice(slice_id: SliceId, owners: Mapping[SliceId, UserName]) -> ConcernedSlice:
    return ConcernedSlice(slice_id=slice_id, owner=owners[slice_id])


def _claim(
    claim: Claim,
    owners: Mapping[SliceId, UserName],
    card: GpuFacts,
    seen: Collection[GroupName],
) -> ClaimInfo:
    return ClaimInfo(
        group=claim.group if claim.group in seen else None,
        gpu_type=claim.gpu_type,
        gpu_id=claim.gpu_id,
        node=card.node,
        gpu_index=card.index,
        calls_back=tuple(_slice(each, owners) for each in claim.calls_back[:MOST_TOLD]),
        in_the_way=tuple(_slice(each, owners) for each in claim.in_the_way[:MOST_TOLD]),
    )


def _job(change: JobChange) -> JobForecastChange:
    return JobForecastChange(
        job_id=change.job_id,
        owner=change.owner,
        group=change.group,
        before=_why(change.before),
        after=_why(change.after),
    )


def _why(wait: QueueWait | None) -> str | None:
    return None if wait is None else queue_clause(wait)


def _right(change: RightChange) -> RightForecast:
    return RightForecast(
        group=change.group,
        right=change.right,
        before=change.before,
        after=change.after,
        people=len(change.people),
        named=change.people[:MOST_NAMED],
    )
