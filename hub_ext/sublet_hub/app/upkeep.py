"""What the service does by itself from time to time: looks at others, ends what is due, forgets.

Each step is short, or leaves the loop to others meanwhile; each loop survives a step that fails.
"""

import asyncio
import logging
from dataclasses import dataclass

from sublet_quota.wire.event_kinds import EventKind

from sublet_hub.app.adapters import Adapters
from sublet_hub.app.loops import Loop, Wakeup
from sublet_hub.app.notices_out import NoticesOut
from sublet_hub.jobs.log_retention import keep_all_logs_within
from sublet_hub.ledger.asked_sizes import AskedSizes
from sublet_hub.ledger.events import event, node_event
from sublet_hub.ledger.records import Change
from sublet_hub.settings import ServiceSettings
from sublet_hub.state.job_files import JobFiles
from sublet_hub.usage.budgets.accounting import BudgetAccounting
from sublet_hub.usage.meter import WEEK, UseMeter
from sublet_hub.usage.slice_history import SPAN, Histories
from sublet_hub.usage.store import UseStore
from sublet_hub.web.routes.context import ServiceParts

_LOG = logging.getLogger(__name__)
_ROUND_S = 1.0
_BEHIND_S = 2.0
_IDLE_S = 5.0
_HISTORY_S = 30.0
_MINUTE_S = 60.0
_HOUR_S = 3600.0
_LOOK_AT_VOLUME_S = 15.0
_BETWEEN_S = 1.0
_PARTS_OF_EVENTS = 100


@dataclass(frozen=True, slots=True)
class UpkeepNeeds:
    """What is kept up, and with what."""

    settings: ServiceSettings
    adapters: Adapters
    service: ServiceParts
    files: JobFiles
    meter: UseMeter
    histories: Histories
    store: UseStore
    accounting: BudgetAccounting


class Upkeep:
    """The steps, and the loops that take them."""

    def __init__(self, needs: UpkeepNeeds) -> None:
        self._needs = needs

    def loops(self) -> tuple[tuple[Loop, Wakeup], ...]:
        """Return the loops that the upkeep needs."""
        needs, service, quiet = self._needs, self._needs.service, Wakeup()
        return (
            (Loop("silence", _ROUND_S, self._look_for_silence), Wakeup()),
            (Loop("closings", _ROUND_S, service.closings.look), Wakeup()),
            (Loop("evictions", _ROUND_S, service.evictions.stop_due), Wakeup()),
            (Loop("over caps", _ROUND_S, service.over_caps.look), Wakeup()),
            (Loop("idle servers", _IDLE_S, service.idle_servers.look), Wakeup()),
            (Loop("announcements", _MINUTE_S, self._end_announcements), quiet),
            (Loop("hub", needs.settings.hub_check_period.total_seconds(), self._ask_hub), Wakeup()),
            (Loop("names of the hub", _MINUTE_S, self._ask_for_names), quiet),
            (Loop("processes", 5.0, service.reconciliation.look_at_processes), Wakeup()),
            (Loop("quota", 2.0, self._look_at_quota), Wakeup()),
            (Loop("use", _MINUTE_S, self._store_use), quiet),
            (Loop("refusals", _BEHIND_S, service.refusals.store), quiet),
            (Loop("history", _HISTORY_S, self._record_history), quiet),
            (Loop("logs", _LOOK_AT_VOLUME_S, self._look_at_logs, _MINUTE_S), quiet),
            (Loop("events", _LOOK_AT_VOLUME_S, self._look_at_events, _MINUTE_S), quiet),
            (Loop("retention", _HOUR_S, self._forget), quiet),
            (Loop("old history", _HOUR_S, self._forget_history), quiet),
            (Loop("asked sizes", _HOUR_S, self._look_at_asked_sizes), quiet),
            *NoticesOut(service).loops(),
        )

    def _end_announcements(self) -> None:
        self._needs.service.announcements.end_due()
        self._needs.service.evictions.forget_old()
        self._needs.service.idle_servers.forget_old()
        self._needs.service.over_caps.forget_old()

    def _look_for_silence(self) -> None:
        for node in self._needs.service.capacity.look_for_silence():
            _LOG.warning("the agent of node %s does not report", node)
            now = self._needs.service.now()
            told = node_event(EventKind.AGENT_SILENT, node, now, node)
            self._needs.service.ledger.apply(Change(events=(told,)), now)

    async def _ask_hub(self) -> None:
        await self._needs.service.reconciliation.ask_hub(self._needs.adapters.hub)

    async def _ask_for_names(self) -> None:
        await self._needs.service.hub_names.look(self._needs.service.quota.document)

    async def _look_at_quota(self) -> None:
        quota = self._needs.service.quota
        if quota.changed() and not await quota.reload():
            now = self._needs.service.now()
            error = quota.error
            words = "" if error is None else error.in_one_line
            told = event(EventKind.QUOTA_REFUSED, now, words[:4000])
            self._needs.service.ledger.apply(Change(events=(told,)), now)

    def _store_use(self) -> None:
        self._needs.meter.store()
        self._needs.histories.store()

    async def _record_history(self) -> None:
        recorder = self._needs.service.recorder
        recorder.look_at_cards()
        await recorder.store()

    async def _look_at_logs(self) -> None:
        most_bytes = self._needs.settings.volume.logs_bytes
        await keep_all_logs_within(self._needs.service.ledger, self._needs.files, most_bytes)

    async def _look_at_events(self) -> None:
        ledger, most = self._needs.service.ledger, self._needs.settings.volume.events_kept
        for _ in range(_PARTS_OF_EVENTS):
            if not await asyncio.to_thread(ledger.forget_surplus_events, most):
                return
            # Of very many some at a time: others have their changes stored between.
            await asyncio.sleep(_BETWEEN_S)

    async def _look_at_asked_sizes(self) -> None:
        sizes, since = (
            AskedSizes(self._needs.adapters.database),
            self._needs.service.now() - 2 * WEEK,
        )
        asked = await asyncio.to_thread(sizes.since, since)
        beside = await asyncio.to_thread(sizes.beside_since, since)
        self._needs.service.capacity.sizes_were_asked(asked, beside)

    async def _forget_history(self) -> None:
        await self._needs.service.recorder.forget_old(_BETWEEN_S)

    def _forget(self) -> None:
        now = self._needs.service.now()
        cutoff = now - self._needs.settings.retention
        self._needs.store.forget_before(use=min(cutoff, now - 2 * WEEK), history=now - 2 * SPAN)
        self._needs.accounting.forget_before(cutoff, now)
        self._needs.service.refusals.forget_before(cutoff)
        for job_id in self._needs.service.ledger.forget_before(cutoff):
            self._needs.files.remove(job_id)
