"""Whose turn it is: the order of jobs by what everybody used, with lag written off for good."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from fractions import Fraction

from sublet_quota.holdings.card_policy import rate_of
from sublet_quota.holdings.gpu_load import cards_on
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.jobs.job_placement import JobPlacement
from sublet_quota.jobs.turns.job_order import HeldCards, JobOrder, entitled_with
from sublet_quota.jobs.turns.past_uses import (
    NO_PAST_USE,
    LagWrittenOff,
    PastUse,
    Payer,
    full_use_of,
    lags_of,
    less_lags,
    past_use_of,
)
from sublet_quota.jobs.waiting_job import WaitingJob
from sublet_quota.names.ids import JobId
from sublet_quota.shares.fair_order import ranks
from sublet_quota.shares.group_tree import NodeName

from sublet_hub.jobs.order.waiting_jobs import WaitingJobs
from sublet_hub.ledger.records import Change, JobRecord
from sublet_hub.state.stores import Stores


class Turns:
    """The order of jobs under the document in force."""

    def __init__(self, stores: Stores, jobs: WaitingJobs) -> None:
        self._stores = stores
        self._jobs = jobs
        self.sums: Mapping[Payer, float] = {}
        """What everybody used, when that was looked at last, nothing of it written off."""
        self.past: PastUse = NO_PAST_USE
        """The same by group and person, less what is written off."""

    def waiting(self, jobs: Iterable[WaitingJob], past: PastUse) -> tuple[WaitingJob, ...]:
        """Return jobs that wait in their order, each with its rank."""
        order = JobOrder(self._stores.capacity.holdings, past)
        return order.waiting(jobs, *self.jobs_placed())

    def placed(self) -> tuple[WaitingJob, ...]:
        """Return the jobs that have a slice, the most entitled first."""
        order = JobOrder(self._stores.capacity.holdings, NO_PAST_USE)
        return order.placed(*self.jobs_placed())

    def entitled_with(self, placement: JobPlacement) -> frozenset[JobId]:
        """Return which jobs are within a guarantee, at least in part, once one has its place."""
        holdings = self._stores.capacity.holdings
        return entitled_with(holdings, placement, *self.jobs_placed())

    def guarantees_left(self) -> object:
        """Return what says which jobs are entitled, as far as that is not the jobs' own matter.

        It is the same as long as that is.
        """
        holdings = self._stores.capacity.holdings
        document = holdings.document
        if not document.groups_guaranteed:
            return (document,)
        # A grace that ends, or a card that is missing, lets less be in force.
        types = holdings.types()
        cards = tuple((name, holdings.cards(name), holdings.tree(name)) for name in types)
        nodes = (NodeName(name) for name in document.groups_guaranteed)
        held = tuple(tuple(holdings.held(node).cards.items()) for node in nodes)
        return document, cards, held

    def take(self, sums: Mapping[Payer, float], asking: Collection[Payer], now: datetime) -> None:
        """Take over what everybody used; what is too much beside who asks is written off."""
        capacity, ledger = self._stores.capacity, self._stores.ledger
        settings = capacity.holdings.document.fair_share
        tree = capacity.holdings.groups
        self.sums = dict(sums)
        past = past_use_of(tree, sums, ledger.written_off, now, settings.half_life)
        full_use = full_use_of(settings, _cards_at_rate(capacity.holdings))
        leaves = {(capacity.holdings.leaf(group), owner) for group, owner in asking}
        lags = lags_of(tree, past, leaves, full_use, now)
        if lags:
            before = {(lag.node, lag.owner): lag for lag in ledger.written_off}
            added = (_added(before.get((lag.node, lag.owner)), lag, self._stores) for lag in lags)
            ledger.apply(Change(written_off=tuple(added)), now)
        self.past = less_lags(past, lags)
        capacity.turns.replace(ranks(tree, self.past.used))

    def jobs_placed(self) -> tuple[list[WaitingJob], HeldCards]:
        """Return the jobs that have slices, and what they have."""
        kinds = self._jobs.kinds()
        live = self._stores.ledger.live_jobs.values()
        held = {
            job.job_id: has for job in live if job.slice_id and (has := self._held(job)) is not None
        }
        placed = [self._jobs.of(job, kinds) for job in live if job.slice_id is not None]
        return placed, held

    def _held(self, job: JobRecord) -> tuple[str, Fraction] | None:
        holdings = self._stores.capacity.holdings
        holding = None if job.slice_id is None else holdings.slice(job.slice_id)
        gpu = None if holding is None else holdings.gpu(holding.gpu_id)
        gpu_type = None if gpu is None else holdings.type_of(gpu.gpu_id)
        if holding is None or gpu is None or gpu_type is None:
            return None
        return gpu_type, job.gpus * cards_on(holding.amount, gpu.kind)


def _added(before: LagWrittenOff | None, lag: LagWrittenOff, stores: Stores) -> LagWrittenOff:
    half_life = stores.capacity.holdings.document.fair_share.half_life
    worth = 0.0 if before is None else before.worth(lag.at, half_life)
    return replace(lag, amount=lag.amount + worth)


def _cards_at_rate(holdings: Holdings) -> float:
    document = holdings.document
    return float(sum(holdings.cards(name) * rate_of(document, name) for name in holdings.types()))
