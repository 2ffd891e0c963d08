"""The meter of owners' slices: GPU time, energy and hours lent, from what agents report.

That is added up by owner, hour, the group that paid, and the card's model.

Reports are compared over stretches of five seconds or more. Energy is split by
``sublet_quota.amounts.energy``; what a card uses when idle is the least power ever measured on it.
A stretch in which an agent or the service was away is not known well enough to be split, and its
energy is nobody's; its GPU time is counted all the same, for the slice's counter ran on.
"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from sublet_quota.amounts.energy import SliceUse, split_energy
from sublet_quota.budgets.period import hour_of
from sublet_quota.life_cycles.slice_states import SliceState
from sublet_quota.names.ids import GpuId, NodeId, SliceId
from sublet_quota.wire.agent_link import GpuReport, SliceReport
from sublet_quota.wire.share import WeekUse

from sublet_hub.ledger.ledger import Ledger
from sublet_hub.ledger.records import Change, SliceRecord
from sublet_hub.state.fleet import NodeView
from sublet_hub.usage.store import HourOfUse, UseStore

WEEK: Final = timedelta(days=7)
STRETCH_S: Final = 5.0
_LONGEST_S: Final = 30.0
"""The length of the longest stretch: a longer one has a gap in it."""
_MJ_PER_WH: Final = 3_600_000
_MOST_MW: Final = 100_000_000
"""More than any card takes (100 kW): a counter that ran faster is not believed."""


@dataclass(slots=True)
class _Card:
    """A card at the end of the last stretch."""

    energy_mj: int
    idle_mw: float | None = None


@dataclass(frozen=True, slots=True)
class _Held:
    """A slice in a stretch."""

    record: SliceRecord
    report: SliceReport
    busy_ms: int


def _is_possible(card: _Card, energy_mj: int, passed_s: float) -> bool:
    """Whether a card's counter can have come to ``energy_mj`` meanwhile."""
    return 0 <= energy_mj - card.energy_mj <= _MOST_MW * passed_s


def _foreign_ms(gpu: GpuReport, passed_s: float) -> int:
    """Return how long a card computed for what belongs to no slice, by what it tells of that."""
    foreign = gpu.foreign_processes
    percent = None if foreign is None else foreign.utilisation_percent
    return round(passed_s * 10 * (percent or 0))


class UseMeter:
    """The sums of use by owner, hour, payer and model."""

    def __init__(self, ledger: Ledger, store: UseStore, now: Callable[[], datetime]) -> None:
        self._ledger = ledger
        self._store = store
        self._now = now
        self._unstored: dict[tuple[str, datetime, str, str], HourOfUse] = {}
        self._seen_at: dict[NodeId, datetime] = {}
        self._cards: dict[GpuId, _Card] = {}
        self._busy_ms: dict[SliceId, int] = {}
        ledger.listen(self._ledger_changed)

    def take(self, view: NodeView) -> None:
        """Take a node's report."""
        now = self._now()
        before = self._seen_at.get(view.node)
        if before is not None and (now - before).total_seconds() < STRETCH_S:
            return
        self._seen_at[view.node] = now
        stretch_s = 0.0 if before is None else (now - before).total_seconds()
        gapless_s = stretch_s if stretch_s <= _LONGEST_S else 0.0
        on_cards: defaultdict[GpuId, list[_Held]] = defaultdict(list)
        for record in self._ledger.slices_on_node(view.node):
            report = view.slices.get(record.slice_id)
            if report is not None:
                held = _Held(record, report, self._busy(report, gapless_s))
                on_cards[record.gpu.gpu_id].append(held)
                self._note_use(held, gapless_s, now)
        for gpu_id, gpu in view.gpus.items():
            self._note_energy(gpu, on_cards[gpu_id], gapless_s, now)

    def week(self, owner: str) -> WeekUse:
        """Return what an owner used in the last seven days."""
        since = self._now() - WEEK
        total = self._store.use_since(owner, since)
        for part in self._unstored.values():
            if part.owner == owner:
                total = total.plus(part)
        metered = total.unmetered_s == 0
        return WeekUse(
            since=since,
            gpu_hours=round(total.busy_s / 3600, 4),
            energy_wh=round(total.energy_mj / _MJ_PER_WH, 3) if metered else None,
            lent_hours=round(total.lent_s / 3600, 4),
        )

    def store(self) -> None:
        """Store what was added up; after a ``LedgerWriteError`` that is tried again next time."""
        parts = tuple(self._unstored.values())
        if parts:
            self._store.add_use(parts)
            self._unstored.clear()

    def _busy(self, report: SliceReport, gapless_s: float) -> int:
        """Return for how many milliseconds the GPU computed for a slice in the stretch.

        Where the driver counts no time by process, what it says of utilisation has to do.
        """
        slice_id = SliceId(report.slice_id)
        before = self._busy_ms.get(slice_id)
        self._busy_ms[slice_id] = report.gpu_busy_ms
        if report.gpu_busy_ms == 0:
            # What is not told is charged to nobody.
            return round(gapless_s * 10 * (report.utilisation_percent or 0))
        if before is None:
            return 0
        # A new agent counts from nothing.
        return report.gpu_busy_ms - (before if before <= report.gpu_busy_ms else 0)

    def _note_use(self, held: _Held, gapless_s: float, now: datetime) -> None:
        part = self._part(held.record, now)
        busy_s = held.busy_ms / 1000
        lent_s = gapless_s if held.report.lent_to else 0.0
        if busy_s or lent_s:
            self._add(replace(part, busy_s=busy_s, lent_s=lent_s))

    def _note_energy(
        self, gpu: GpuReport, slices: list[_Held], gapless_s: float, now: datetime
    ) -> None:
        gpu_id = GpuId(gpu.gpu_id)
        if gpu.energy_mj is None:
            self._cards.pop(gpu_id, None)
            for held in slices:
                self._add(replace(self._part(held.record, now), unmetered_s=gapless_s))
            return
        card = self._cards.get(gpu_id)
        if card is None or not gapless_s or not _is_possible(card, gpu.energy_mj, gapless_s):
            idle_mw = None if card is None else card.idle_mw
            self._cards[gpu_id] = _Card(gpu.energy_mj, idle_mw)
            return
        used_mj = gpu.energy_mj - card.energy_mj
        card.energy_mj = gpu.energy_mj
        mean_mw = used_mj / gapless_s
        card.idle_mw = mean_mw if card.idle_mw is None else min(card.idle_mw, mean_mw)
        uses = [
            SliceUse(
                held.record.slice_id,
                held.record.compute_milli,
                held.busy_ms,
                suspended=held.report.state is SliceState.SUSPENDED,
            )
            for held in slices
        ]
        idle_mj, foreign_ms = round(card.idle_mw * gapless_s), _foreign_ms(gpu, gapless_s)
        parts_mj = split_energy(used_mj, idle_mj, uses, foreign_ms).of_slices
        for held in slices:
            part_mj = parts_mj[held.record.slice_id]
            if part_mj:
                self._add(replace(self._part(held.record, now), energy_mj=part_mj))

    def _part(self, record: SliceRecord, now: datetime) -> HourOfUse:
        payer, model = record.group or "", record.gpu.type
        return HourOfUse(record.owner, hour_of(now), payer=payer, model=model)

    def _add(self, part: HourOfUse) -> None:
        key = (part.owner, part.hour, part.payer, part.model)
        before = self._unstored.get(key)
        self._unstored[key] = part if before is None else before.plus(part)

    def _ledger_changed(self, change: Change) -> None:
        for slice_id in change.released:
            self._busy_ms.pop(slice_id, None)
