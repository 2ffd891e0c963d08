"""How things are now, as values that nothing changes any more: what a preview starts from.

It is taken in the service's one thread, in which holdings change, and worked on in another. Nothing
that is done with it reaches the holdings that it was taken of.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sublet_quota.budgets.standing import BudgetStanding
from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.holdings.as_held import AsHeld
from sublet_quota.holdings.gpu_load import Holding
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.holdings.kept_cards import KeptFor
from sublet_quota.holdings.node_rooms import AskedBeside
from sublet_quota.jobs.backfill.jobs_there import JobsThere
from sublet_quota.jobs.payers.recharged_jobs import RunningJob
from sublet_quota.jobs.turns.job_order import HeldCards
from sublet_quota.jobs.turns.past_uses import LagWrittenOff, Payer
from sublet_quota.jobs.waiting_job import WaitingJob
from sublet_quota.names.ids import GpuId, SliceId, UserName

StandingsUnder = Callable[[QuotaDocument], tuple[BudgetStanding, ...]]


def no_budgets(document: QuotaDocument) -> tuple[BudgetStanding, ...]:
    """Return what stands where nothing is known of budgets: none."""
    del document
    return ()


@dataclass(frozen=True, slots=True)
class PersonHere:
    """Somebody who has a slice, or a job."""

    owner: UserName
    hub_groups: tuple[str, ...] = ()
    """Their groups in the hub, as these were known last."""

    def alike(self, document: QuotaDocument) -> tuple[UserName | None, tuple[str, ...]]:
        """Return what is the same of all who may have the same: very many may be in very many."""
        own = self.owner if document.exceptions_for(self.owner) else None
        return own, self.hub_groups


@dataclass(frozen=True, slots=True)
class JobsNow:
    """The jobs, and what their order hangs on."""

    waiting: tuple[WaitingJob, ...] = ()
    placed: tuple[WaitingJob, ...] = ()
    held: HeldCards = field(default_factory=dict)
    rechargeable: tuple[RunningJob, ...] = ()
    """Of those that have their place the ones that other groups could pay."""
    past: Mapping[Payer, float] = field(default_factory=dict)
    """What everybody used, worn off (``past_uses.UseSums``)."""
    written_off: tuple[LagWrittenOff, ...] = ()
    lendable_mib: Mapping[GpuId, int] = field(default_factory=dict)
    """What agents can lend, by GPU."""
    suspend_mib_per_s: Mapping[GpuId, int] = field(default_factory=dict)
    """How fast bytes leave each GPU, as its agent measured it."""
    lending: bool = True
    there: JobsThere | None = None
    """Those that have their place, with when they end and for whom they make way."""


@dataclass(frozen=True, slots=True)
class PresentState:
    """Cards, slices, people and jobs at one moment, under one document."""

    held: AsHeld
    people: tuple[PersonHere, ...] = ()
    jobs: JobsNow = field(default_factory=JobsNow)
    kept_cards: Mapping[GpuId, KeptFor] = field(default_factory=dict)
    """Cards whose room is kept for a reservation of a group."""
    asked_sizes: Mapping[str, int] = field(default_factory=dict)
    """How often people have asked for each size lately."""
    asked_beside: Mapping[AskedBeside, int] = field(default_factory=dict)
    """The same, with what requests take beside a card."""
    idle: frozenset[SliceId] = frozenset()
    """The slices that may change cards, as their owners are idle."""
    at_rest: Mapping[SliceId, datetime] = field(default_factory=dict)
    """Since when owners leave their slices alone."""
    standings_under: StandingsUnder = no_budgets
    """How budgets would stand under another document, after what was held until now."""

    @property
    def slices(self) -> Collection[Holding]:
        """All slices."""
        return self.held.slices.values()

    def holdings(self) -> Holdings:
        """Return holdings of their own that say what those of now say."""
        held = Holdings.of(self.held)
        held.kept_cards, held.asked_sizes = self.kept_cards, self.asked_sizes
        held.asked_beside = self.asked_beside
        held.idle = set(self.idle)
        for slice_id, since in self.at_rest.items():
            held.mark_at_rest(slice_id, since)
        return held


def present_state(
    holdings: Holdings,
    people: tuple[PersonHere, ...] = (),
    jobs: JobsNow | None = None,
    standings_under: StandingsUnder = no_budgets,
) -> PresentState:
    """Return how things are now."""
    return PresentState(
        held=holdings.as_held(),
        people=people,
        jobs=jobs or JobsNow(),
        kept_cards=holdings.kept_cards,
        asked_sizes=holdings.asked_sizes,
        asked_beside=holdings.asked_beside,
        idle=frozenset(holdings.idle),
        at_rest=dict(holdings.at_rest),
        standings_under=standings_under,
    )
