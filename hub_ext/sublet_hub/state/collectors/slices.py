"""The slices by state, pool and type, and what of groups' slices is lent or called back.

One walk over all slices for every sum that nobody keeps.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import datetime

from prometheus_client.core import GaugeMetricFamily, Metric
from sublet_quota.holdings.gpu_load import Holding, cards_on
from sublet_quota.holdings.holdings import Holdings
from sublet_quota.residency.snapshot import Rank
from sublet_quota.wire.rank import code_of

from sublet_hub.ledger.ledger import Ledger
from sublet_hub.ledger.records import SliceRecord
from sublet_hub.state.collectors.gauges import POOL_AND_TYPE, gauge_of
from sublet_hub.state.collectors.group_labels import (
    GROUP,
    GROUP_AND_TYPE,
    UNKNOWN,
    payer_labels,
)
from sublet_hub.state.collectors.sources import MetricSources
from sublet_hub.state.collectors.stepped import SteppedCollector, in_parts
from sublet_hub.state.fleet import Fleet


class SliceCollector(SteppedCollector):
    """The gauges of slices."""

    def __init__(self, sources: MetricSources) -> None:
        self._sources = sources

    def steps(self) -> Iterator[Metric | None]:
        """Yield all gauges, after a step for some slices each."""
        sources = self._sources
        walk = _Walk(sources.ledger, sources.fleet, sources.capacity.holdings, sources.now())
        for part in in_parts(sources.ledger.slices.values()):
            for record in part:
                walk.count(record)
            yield None
        yield from walk.families()


class _Walk:
    """The sums of one walk."""

    def __init__(self, ledger: Ledger, fleet: Fleet, holdings: Holdings, now: datetime) -> None:
        self._ledger = ledger
        self._fleet = fleet
        self._holdings = holdings
        self._now = now
        self._states: Counter[tuple[str, ...]] = Counter()
        self._ranks: Counter[tuple[str, ...]] = Counter()
        self._by_rank: defaultdict[tuple[str, ...], float] = defaultdict(float)
        self._of_jobs: defaultdict[tuple[str, ...], float] = defaultdict(float)
        self._lent: defaultdict[tuple[str, ...], float] = defaultdict(float)
        self._lent_of: defaultdict[tuple[str, ...], float] = defaultdict(float)
        self._called_back_of: defaultdict[tuple[str, ...], float] = defaultdict(float)
        self._longest: dict[tuple[str, ...], float] = {}
        self._lent_slices = 0

    def count(self, record: SliceRecord) -> None:
        """Count a slice."""
        pool_and_type = (record.pool, self._holdings.type_of(record.gpu.gpu_id) or UNKNOWN)
        report = self._fleet.report(record.slice_id)
        state = "unreported" if report is None else report.state.value
        active = "unknown" if report is None else str(report.active).lower()
        self._states[record.holder.value, state, active, *pool_and_type] += 1
        holding = self._holdings.slice(record.slice_id)
        if holding is None:
            return
        cards = self._cards(holding)
        if record.is_job:
            self._of_jobs[pool_and_type] += cards
            return
        rank = self._holdings.rank(record.slice_id)
        label = code_of(rank).value
        self._ranks[label, *pool_and_type] += 1
        self._by_rank[*pool_and_type, label] += cards
        if record.lent_since is not None:
            self._lent_slices += 1
            self._lent[pool_and_type] += cards
            self._add_to_groups(self._lent_of, record, pool_and_type[1], cards)
        if rank is Rank.CALLED_BACK:
            self._add_to_groups(self._called_back_of, record, pool_and_type[1], cards)
            self._note_called_back(record)

    def families(self) -> Iterator[Metric]:
        """Yield the gauges."""
        yield gauge_of(
            "sublet_slices",
            "Slices by holder and state",
            ("holder", "state", "active", *POOL_AND_TYPE),
            self._states,
        )
        yield GaugeMetricFamily(
            "sublet_lent_slices", "Idle slices that jobs use", value=self._lent_slices
        )
        yield gauge_of(
            "sublet_slices_by_rank",
            "Notebooks' slices, guaranteed or borrowed",
            ("rank", *POOL_AND_TYPE),
            self._ranks,
        )
        yield gauge_of(
            "sublet_pool_held_cards",
            "Cards that notebooks have, guaranteed or borrowed",
            (*POOL_AND_TYPE, "rank"),
            self._by_rank,
        )
        yield gauge_of(
            "sublet_pool_job_cards", "Cards that jobs have", POOL_AND_TYPE, self._of_jobs
        )
        yield gauge_of(
            "sublet_pool_lent_cards",
            "Cards that notebooks have, and jobs use meanwhile",
            POOL_AND_TYPE,
            self._lent,
        )
        yield gauge_of(
            "sublet_group_lent_cards",
            "Cards that notebooks of the group have, and jobs use meanwhile",
            GROUP_AND_TYPE,
            self._lent_of,
        )
        yield gauge_of(
            "sublet_group_called_back_cards",
            "Borrowed cards of the group that others are due now",
            GROUP_AND_TYPE,
            self._called_back_of,
        )
        yield gauge_of(
            "sublet_called_back_seconds",
            "How long the slice of the group has been called back that was so first",
            GROUP,
            self._longest,
        )

    def _cards(self, holding: Holding) -> float:
        piece = self._holdings.piece(holding.slice_id)
        if piece is not None:
            return float(piece.cards)
        facts = self._holdings.gpu(holding.gpu_id)
        return 0.0 if facts is None else float(cards_on(holding.amount, facts.kind))

    def _add_to_groups(
        self,
        sums: defaultdict[tuple[str, ...], float],
        record: SliceRecord,
        gpu_type: str,
        cards: float,
    ) -> None:
        for group in payer_labels(self._holdings, record.group):
            sums[*group, gpu_type] += cards

    def _note_called_back(self, record: SliceRecord) -> None:
        if record.called_back_since is None:
            return
        seconds = (self._now - record.called_back_since).total_seconds()
        for group in payer_labels(self._holdings, record.group):
            self._longest[group] = max(seconds, self._longest.get(group, 0.0))
