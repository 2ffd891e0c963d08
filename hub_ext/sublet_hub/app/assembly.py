"""Puts the service together from its settings, and runs it."""

import asyncio
import contextlib
from collections.abc import Coroutine, Iterable
from datetime import timedelta
from itertools import chain
from typing import Any

from sublet_quota.document.quota_document import QuotaDocument
from sublet_quota.names.ids import NodeId, SliceId
from sublet_quota.wire.agent_link import AgentEvent
from sublet_quota.wire.event_kinds import EventKind

from sublet_hub.agents.assignments import Assigner, AssignmentFacts
from sublet_hub.agents.connection_registry import AgentConnections
from sublet_hub.agents.departed_nodes import DepartedNodes
from sublet_hub.agents.startup_grace import StartupGrace
from sublet_hub.app.adapters import Adapters, nodes_and_homes, over_caps_of, quota_of
from sublet_hub.app.line_parts import LineNeeds, LineParts
from sublet_hub.app.loops import Loop, Wakeup, repeat
from sublet_hub.app.upkeep import Upkeep, UpkeepNeeds
from sublet_hub.app.view_parts import ViewNeeds, ViewParts
from sublet_hub.delivery.ways import outbox_of
from sublet_hub.host.clock import read_boot_id
from sublet_hub.host.private_files import make_private_folder
from sublet_hub.jobs.backend import JobBackend
from sublet_hub.jobs.backends.local.intake import LocalIntake
from sublet_hub.jobs.backends.local.runner import runner_of
from sublet_hub.jobs.cancellation import JobCancellation
from sublet_hub.jobs.intake import JobIntake
from sublet_hub.jobs.queue import JobQueue, WaitingReasons
from sublet_hub.jobs.submission import JobSubmission
from sublet_hub.ledger.announcements import AnnouncementStore
from sublet_hub.ledger.database import LedgerWriteError
from sublet_hub.ledger.events import event
from sublet_hub.ledger.evictions import EvictionStore
from sublet_hub.ledger.idle_servers import IdleNotes
from sublet_hub.ledger.ledger import Ledger
from sublet_hub.ledger.recorded import RecordedStore
from sublet_hub.ledger.records import Change, EventRecord
from sublet_hub.ledger.refusals import RefusalStore
from sublet_hub.security.byte_room import RoomsByKind
from sublet_hub.security.list_turns import ListTurns
from sublet_hub.security.rate_limits import RateLimits
from sublet_hub.settings import ServiceSettings
from sublet_hub.slices.allocation import Allocation
from sublet_hub.slices.announcements import Announcements
from sublet_hub.slices.card_changes import CardChanges
from sublet_hub.slices.closings import Closings
from sublet_hub.slices.evictions import Evictions
from sublet_hub.slices.hub_names import HubNames
from sublet_hub.slices.hub_users import HubUsers
from sublet_hub.slices.idle_servers import IdleServers
from sublet_hub.slices.keep_and_wake import KeepAndWake
from sublet_hub.slices.memberships import Memberships
from sublet_hub.slices.offers import OffersNow
from sublet_hub.slices.places import Places
from sublet_hub.slices.pods import Pods
from sublet_hub.slices.reconciliation import Patience, Reconciliation
from sublet_hub.slices.reserved_rooms import ReservedRooms
from sublet_hub.slices.resizing import Resizing
from sublet_hub.state.capacity import Capacity
from sublet_hub.state.collectors.budgets import BudgetCollector
from sublet_hub.state.collectors.sources import MetricSources
from sublet_hub.state.fleet import Fleet, NodeView
from sublet_hub.state.job_files import JobFiles
from sublet_hub.state.metrics import ServiceMetrics
from sublet_hub.state.owner_accounts import OwnerAccounts
from sublet_hub.state.quota_documents.last_in_force import LastInForce
from sublet_hub.state.quota_documents.part_history import PartHistories
from sublet_hub.state.stores import Stores
from sublet_hub.usage.budgets.accounting import BudgetAccounting
from sublet_hub.usage.job_stops import JobStops
from sublet_hub.usage.lending_periods import LentTimes
from sublet_hub.usage.meter import UseMeter
from sublet_hub.usage.proposed_limits import ProposedLimits
from sublet_hub.usage.queue_waits import QueueTimes
from sublet_hub.usage.recorded.history_export import HistoryExports
from sublet_hub.usage.recorded.recorder import Recorder
from sublet_hub.usage.refusals import Refusals
from sublet_hub.usage.reports import UseReports
from sublet_hub.usage.slice_history import Histories
from sublet_hub.usage.store import UseStore
from sublet_hub.usage.waited import WaitedReports
from sublet_hub.web.routes.context import RequestLimits, ServiceParts
from sublet_hub.web.views.jobs import JobTimes
from sublet_hub.web.views.quota_in_force import QuotaViews
from sublet_hub.web.views.quota_previews import QuotaPreviews
from sublet_hub.web.views.share import Shares

_ROUND_S = 1.0
_MINUTE_S = 60.0


class Assembly:
    """The parts of a service, wired."""

    def __init__(self, settings: ServiceSettings, adapters: Adapters) -> None:
        """Make the parts. Raises ``QuotaFileError`` where the quota file is wrong."""
        self._settings, self._adapters = settings, adapters
        now = adapters.now
        quota = quota_of(settings, adapters)
        make_private_folder(settings.state_folder)
        self._files = JobFiles(
            make_private_folder(settings.state_folder / "jobs"), settings.volume.keep_free_bytes
        )
        accounts = OwnerAccounts(settings.state_folder / "accounts")
        self._last_in_force = LastInForce(settings.state_folder / "quota-in-force.yaml")
        ledger = Ledger(adapters.database)
        fleet = Fleet(ledger, now, read_boot_id())
        capacity = Capacity(quota.document, ledger, fleet, now)
        metrics = ServiceMetrics(MetricSources(ledger, fleet, capacity, quota, now))
        self._stops = JobStops(ledger, now)
        stores = Stores(ledger, fleet, capacity, accounts, self._files, now, self._stops.stood)
        self._stores = stores
        waiting = WaitingReasons()
        store = UseStore(adapters.database)
        self._histories = Histories(ledger, store, now)
        self._meter = UseMeter(ledger, store, now)
        self._lent_times = LentTimes(ledger, now)
        wakes = settings.limits.wakes
        idle_servers = IdleServers(IdleNotes(adapters.database), stores, adapters.hub, wakes)
        reserved = ReservedRooms(ledger, fleet, capacity, now)
        times = QueueTimes(ledger, now)
        self._wakeup, self._room, self._budget_bell = Wakeup(), Wakeup(), Wakeup()
        runs = adapters.runs
        where, homes = nodes_and_homes(runs, fleet, ledger, accounts)
        intake: JobIntake = LocalIntake(settings.jobs) if runs is None else runs.intake
        decides = runs is None or runs.has_own_queue
        self._queue = JobQueue(stores, waiting, metrics, where, self._stops, decides=decides)
        self._accounting = BudgetAccounting(adapters.database, ledger, capacity, now)
        budgets, charged = self._accounting.budgets, self._accounting.stored
        metrics.read_too(BudgetCollector(capacity, budgets.of_groups))
        allocation = Allocation(stores, metrics, homes)
        evictions = Evictions(EvictionStore(adapters.database), ledger, adapters.hub, now)
        users, hub_names = HubUsers(adapters.hub, ledger, accounts), HubNames(adapters.hub)
        offers = OffersNow(capacity)
        self.line = LineParts(
            LineNeeds(
                stores=stores,
                database=adapters.database,
                hub=adapters.hub,
                users=users,
                allocation=allocation,
                jobs=self._queue,
                evictions=evictions,
                idle_servers=idle_servers,
                metrics=metrics.line,
                start_within=settings.start_within,
            )
        )
        shown = ViewParts(
            ViewNeeds(
                stores=stores,
                idle_servers=idle_servers,
                reserved=reserved,
                waiting=waiting,
                times=JobTimes(times, self._stops),
                line=self.line.line,
                why_untouched=(lambda _: None) if runs is None else runs.why_untouched,
            )
        )
        startup = StartupGrace(fleet, settings.agents_return_within)
        places = Places(ledger, capacity, reserved, now, lambda: startup.is_over)
        self._memberships = Memberships(ledger, capacity, places, now)
        patience = Patience(settings.missing_for, settings.start_within)
        self.service = ServiceParts(
            now=now,
            ledger=ledger,
            fleet=fleet,
            quota=quota,
            capacity=capacity,
            accounts=accounts,
            users=users,
            hub_names=hub_names,
            allocation=allocation,
            offers=offers,
            reconciliation=Reconciliation(
                ledger, fleet, allocation, patience, now, self.line.line.waits_with
            ),
            startup_grace=startup,
            card_changes=CardChanges(ledger, fleet, capacity, now),
            pods=Pods(ledger, capacity, accounts, now),
            keep_and_wake=KeepAndWake(ledger, capacity, accounts, settings.limits.wakes, now),
            jobs=JobSubmission(stores, intake),
            cancellation=JobCancellation(ledger, now, ends_jobs=runs is None or runs.ends_jobs),
            closings=Closings(ledger, fleet, now),
            announcements=Announcements(
                AnnouncementStore(adapters.database), ledger, fleet.is_known, self._in_force, now
            ),
            outbox=outbox_of(settings.delivery, adapters.database, now),
            evictions=evictions,
            line=self.line.line,
            idle_servers=idle_servers,
            over_caps=over_caps_of(settings, adapters, stores),
            places=places,
            resizing=Resizing(ledger, fleet, capacity, wakes, now),
            shares=Shares(stores, shown.views, self._meter, offers),
            part_histories=PartHistories(quota),
            previews=QuotaPreviews(stores, quota, self._queue, budgets, hub_names),
            quota_views=QuotaViews(stores, quota, budgets, hub_names),
            histories=self._histories,
            use=UseReports(adapters.database, store, self._in_force, settings.carbon),
            waited=WaitedReports(adapters.database),
            proposed_limits=ProposedLimits(adapters.database, self._in_force),
            budgets=budgets,
            refusals=Refusals(RefusalStore(adapters.database), now, metrics.refused),
            recorder=Recorder(
                ledger,
                RecordedStore(adapters.database),
                lambda: tuple(capacity.holdings.gpus_as_told()),
                now,
                settings.recorded_for,
            ),
            history_exports=HistoryExports(adapters.database, charged, self._in_force),
            queue=self._queue,
            views=shown.views,
            job_views=shown.jobs,
            waits=shown.waits,
            times=times,
            metrics=metrics,
            limits=RequestLimits(RateLimits(settings.limits.requests), RoomsByKind(), ListTurns()),
        )
        self.connections = AgentConnections(
            stores,
            adapters.agents,
            Assigner(
                ledger,
                fleet,
                capacity,
                AssignmentFacts(
                    self._queue.entitlements, startup, reserved, self.service.over_caps.ends_at
                ),
            ),
            metrics,
        )
        self._upkeep = Upkeep(
            UpkeepNeeds(
                settings=settings,
                adapters=adapters,
                service=self.service,
                files=self._files,
                meter=self._meter,
                histories=self._histories,
                store=store,
                accounting=self._accounting,
            )
        )
        self._runner = self._make_runner()
        self._tasks: list[asyncio.Task[None]] = []
        self._connect_parts()

    def start(self, more: Iterable[Loop] = ()) -> None:
        """Take up what runs, and start the loops, with those of whoever put this together."""
        self._take_missed_document()
        self._runner.adopt()
        quiet = Wakeup()
        loops = (
            (Loop("jobs", _ROUND_S, self._jobs_round), self._wakeup),
            (Loop("places", _ROUND_S, self._look_at_places), self._room),
            (Loop("budgets", _MINUTE_S, self._accounting.look), self._budget_bell),
            (Loop("past use", _MINUTE_S, self._queue.look_at_past_use), quiet),
            *self.line.loops(),
            *self._upkeep.loops(),
            *((loop, quiet) for loop in more),
        )
        create = asyncio.get_running_loop().create_task
        self._tasks = [create(repeat(*loop, self.service.metrics)) for loop in loops]
        self._tasks.append(create(self.connections.run()))
        self._tasks += [create(work) for work in self._looking_at_nodes()]

    def _looking_at_nodes(self) -> tuple[Coroutine[Any, Any, None], ...]:
        nodes, service = self._adapters.nodes, self.service
        if nodes is None:
            return ()
        gone = DepartedNodes(service.ledger, service.fleet, nodes, service.now)
        loop = Loop("nodes", _MINUTE_S, gone.forget)
        return nodes.run(), repeat(loop, Wakeup(), service.metrics)

    async def stop(self) -> None:
        """End loops and connections; jobs and slices stay as they are."""
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self.connections.close()
        self.service.outbox.close()
        await self._runner.close()
        with contextlib.suppress(LedgerWriteError):
            self._meter.store()
            self._accounting.meter.store_at_end()
            self._histories.store(everything=True)
            self._queue.tell_off_times()
            self.service.refusals.store_at_end()
            self.service.recorder.store_at_end()
        self._adapters.database.close()

    def _in_force(self) -> QuotaDocument:
        return self._stores.capacity.holdings.document

    def _make_runner(self) -> JobBackend:
        runs, settings = self._adapters.runs, self._settings
        if runs is not None:
            return runs.backend(self._stores, self.service.pods)
        return runner_of(self._stores, settings)

    def _connect_parts(self) -> None:
        service = self.service
        self.connections.on_status(self._reported)
        self.connections.on_event(self._happened)
        self._runner.on_news(self._wakeup.ring)
        service.capacity.on_room(self._wakeup.ring)
        service.capacity.on_room(self._room.ring)
        service.capacity.on_room(self.connections.look_at_ranks)
        if self._adapters.nodes is not None:
            self._adapters.nodes.on_cordons(service.capacity.nodes_are_cordoned)
            self._adapters.nodes.on_rooms(service.capacity.nodes_have)
        service.ledger.listen(self._ledger_changed)
        service.quota.prepare_by(service.capacity.prepare)
        service.quota.listen(self._quota_changed)
        service.capacity.warn_by(service.hub_names.warnings)
        service.reconciliation.on_groups(self._memberships.take)

    def _jobs_round(self) -> None:
        service = self.service
        to_leave = (service.closings.jobs_to_send_back(), service.evictions.jobs_to_send_back())
        for slice_id, why in chain(*to_leave):
            self._runner.evict(slice_id, why)
        self._runner.round()
        self._queue.charge_elsewhere()
        self._queue.let_go_on()
        if self._adapters.runs is None:
            # A pod's card is the cluster's to say.
            for slice_id, why in self._queue.jobs_to_send_back():
                self._runner.evict(slice_id, why)
        if service.startup_grace.is_over:
            # Before that cards are missing: a job would be kept as borrowed for want of them.
            self._queue.keep_ranks()
        if self._queue.decides:
            self._queue.place_jobs()

    def _reported(self, view: NodeView) -> None:
        self.service.capacity.reported(view)
        self.service.startup_grace.look()
        self.service.card_changes.reported(view)
        self.service.pods.reported(view)
        self._meter.take(view)
        self._accounting.meter.take(view)
        self._histories.take(view)
        self.service.recorder.reported(view)
        self._lent_times.take(view)
        self._stops.take(view)
        # A thousand nodes report a thousand times a second, and each round looks at every job.
        if view.concerns_jobs and self.service.ledger.live_jobs:
            self._wakeup.ring()

    def _happened(self, told: AgentEvent, record: EventRecord) -> None:
        slice_id = SliceId(told.slice_id or "")
        view = None if record.node is None else self.service.fleet.node(NodeId(record.node))
        behind = timedelta() if view is None else view.behind
        self.service.recorder.happened(told, record, behind)
        if told.kind is EventKind.EVICTED:
            self._runner.evict(slice_id, told.detail)
        elif told.kind is EventKind.LOST:
            self._runner.lose(slice_id, told.detail)

    def _ledger_changed(self, change: Change) -> None:
        for job_id in change.forgotten:
            self._files.remove(job_id)
        if change.jobs or change.released or change.closings or change.lending is not None:
            self._wakeup.ring()

    def _take_missed_document(self) -> None:
        """Give what became less while the service was down its grace."""
        text = self.service.quota.text
        before = self._last_in_force.before(text)
        if before is not None:
            self.service.places.take_missed(before)
        self._last_in_force.keep(text)

    def _quota_changed(self, document: QuotaDocument) -> None:
        service = self.service
        service.places.take(document)
        # After that: what became less has its grace, also if the service is killed in between.
        self._last_in_force.keep(service.quota.text)
        now = service.now()
        loaded = event(EventKind.QUOTA_LOADED, now, service.quota.told)
        service.ledger.apply(Change(events=(loaded,)), now)
        self.connections.assign_all()
        self._budget_bell.ring()

    async def _look_at_places(self) -> None:
        await self.service.places.prepare()
        self.service.card_changes.look()
        if self.service.places.look():
            self.connections.assign_all()
        self.service.capacity.keep_ready()
