"""The handing out and taking back of notebook servers' slices: what the hub asks of the service.

Decides nothing: admission and placement are ``sublet_quota``'s; here their answers become true.
"""

import secrets
import time
from contextlib import nullcontext
from dataclasses import replace
from datetime import datetime
from typing import Final

from sublet_quota.admission.slice_request import RequestedSlice
from sublet_quota.amounts.node_amounts import NEEDS_NOTHING
from sublet_quota.names.home_claim import HomeInUse
from sublet_quota.names.ids import SliceId, UserName
from sublet_quota.placement.slice_placement import Placement, decide_slice
from sublet_quota.reasons.refusal import Refusal
from sublet_quota.residency.snapshot import Holder
from sublet_quota.wire.api import SliceRequest, SliceStarted
from sublet_quota.wire.event_kinds import EventKind

from sublet_hub.errors import NotFoundError
from sublet_hub.ledger.events import slice_event
from sublet_hub.ledger.records import Change, ReleasedSlice, SliceRecord
from sublet_hub.slices.home_volumes import Homes
from sublet_hub.slices.places import held_back_by, others_of
from sublet_hub.state.metrics import ServiceMetrics
from sublet_hub.state.owner_accounts import OwnerAccount
from sublet_hub.state.stores import Stores

LOTS: Final = 2**31
"""Out of so many the lot of a request is drawn."""


class Allocation:
    """The slices of notebook servers, as the hub asks for them."""

    def __init__(self, stores: Stores, metrics: ServiceMetrics, homes: Homes | None = None) -> None:
        """``homes``: where homes are in use; ``None``: any number of nodes can have one at once."""
        self._stores = stores
        self._metrics = metrics
        self._homes = homes

    def request(self, request: SliceRequest) -> SliceRecord | Refusal:
        """Hand out a slice to a notebook server and return it, or the refusal.

        A slice that this server still held is taken back first: the hub starts a server only when
        the one before is gone. A refusal gives it back, so that nothing has changed. What the
        decision makes of others' slices becomes true together with the new one.
        """
        lot = secrets.randbelow(LOTS)
        placement = self.decide(request, lot)
        if isinstance(placement, Refusal):
            return placement
        return self.hand_out(request, placement, lot)

    def decide(self, request: SliceRequest, lot: int) -> Placement | Refusal:
        """Return the place that a notebook server would have now, or the refusal."""
        before = self._before(request)
        holdings = self._stores.capacity.holdings
        gone = nullcontext() if before is None else holdings.without(before.slice_id)
        with gone as held:
            stopped = self._stopped(request) if before is None else None
            wish = replace(
                self.wish(request),
                before=held if stopped is None else self._stores.capacity.holding(stopped.record),
                stopped_at=None if stopped is None else stopped.at,
                lot=lot,
            )
            began = time.perf_counter()
            placement = decide_slice(holdings, wish)
            self._metrics.decision("slice", time.perf_counter() - began)
        return placement

    def wish(self, request: SliceRequest) -> RequestedSlice:
        """Return what is wished for, as decisions read it."""
        return _wish(request, self._home(request, self._before(request)))

    def remember(self, request: SliceRequest) -> None:
        """Keep the account as the hub says it with a request."""
        self._stores.accounts.remember(self._account(UserName(request.owner), request))

    def hand_out(self, request: SliceRequest, placement: Placement, lot: int) -> SliceRecord:
        """Make a placement true, in the place of the slice that the server still held."""
        return self._hand_out(request, placement, lot, self._before(request))

    def _before(self, request: SliceRequest) -> SliceRecord | None:
        owner = UserName(request.owner)
        return self._stores.ledger.slice_of_server(owner, request.server)

    def _hand_out(
        self, request: SliceRequest, placement: Placement, lot: int, before: SliceRecord | None
    ) -> SliceRecord:
        stores, now = self._stores, self._stores.now()
        record = self._record(request, placement, lot, now)
        others, told = held_back_by(
            stores.ledger,
            placement.holds_back,
            record,
            now,
            others_of(stores.ledger, placement, record, now, placement.moves),
        )
        events = [slice_event(EventKind.SLICE_CREATED, record, now, str(placement.amount)), *told]
        if before is not None:
            events.append(slice_event(EventKind.SLICE_RELEASED, before, now, "its server is new"))
        self.remember(request)
        change = Change(
            slices=(record, *others),
            released=() if before is None else (before.slice_id,),
            events=tuple(events),
        )
        stores.ledger.apply(change, now)
        if self._homes is not None and request.home_claim is not None:
            self._homes.note(record.slice_id, request.home_claim)
        return record

    def started(self, slice_id: SliceId, started: SliceStarted) -> None:
        """Note the server's first process. ``NotFoundError`` for a slice that nobody holds."""
        record = self.find(slice_id)
        now = self._stores.now()
        after = replace(
            record,
            root_pid=started.root_pid,
            root_start_time=started.root_start_time,
            unit_group=started.unit_group,
        )
        # A hub that was started anew tells of all servers again.
        events = []
        if (record.root_pid, record.root_start_time) != (after.root_pid, after.root_start_time):
            told = f"pid {started.root_pid}"
            events.append(slice_event(EventKind.SLICE_STARTED, after, now, told))
        self._stores.ledger.apply(Change(slices=(after,), events=tuple(events)), now)

    def release(self, slice_id: SliceId, why: str) -> bool:
        """Take a notebook's slice back; return whether there was one. A job's ends with the job."""
        record = self._stores.ledger.slices.get(slice_id)
        if record is None or record.is_job:
            return False
        now = self._stores.now()
        told = slice_event(EventKind.SLICE_RELEASED, record, now, why)
        self._stores.ledger.apply(Change(released=(slice_id,), events=(told,)), now)
        return True

    def find(self, slice_id: SliceId) -> SliceRecord:
        """Return the slice. ``NotFoundError`` when nobody holds it."""
        record = self._stores.ledger.slices.get(slice_id)
        if record is None:
            message = f"there is no slice {slice_id}"
            raise NotFoundError(message)
        return record

    def _stopped(self, request: SliceRequest) -> ReleasedSlice | None:
        """Return the slice that a server gave back while a grace lasted which lasts still."""
        stores, now = self._stores, self._stores.now()
        owner, server = UserName(request.owner), request.server
        grace = stores.capacity.holdings.document.shrink.grace
        stopped = stores.ledger.last_of_server(owner, server, now - grace)
        until = None if stopped is None else stopped.record.before_until
        return None if until is None or until <= now else stopped

    def _home(self, request: SliceRequest, before: SliceRecord | None) -> HomeInUse | None:
        """Return where alone a server can be, as its home is in use there, or ``None``."""
        homes = self._homes
        if homes is None or request.home_claim is None:
            return None
        without = None if before is None else before.slice_id
        return homes.in_use(UserName(request.owner), request.home_claim, without)

    def _account(self, owner: UserName, request: SliceRequest) -> OwnerAccount:
        """Return the account as the hub says; how pods are made is known from the pod before."""
        template, known = request.account, self._stores.accounts.find(owner)
        if template.pod is None and known is not None and known.template.pod is not None:
            template = template.model_copy(update={"pod": known.template.pod})
        return OwnerAccount(owner=owner, groups=request.groups, template=template)

    def _record(
        self, request: SliceRequest, placement: Placement, lot: int, now: datetime
    ) -> SliceRecord:
        return SliceRecord(
            slice_id=SliceId(secrets.token_hex(16)),
            holder=Holder.NOTEBOOK,
            owner=placement.owner,
            server=request.server,
            job_id=None,
            size=placement.size,
            pool=placement.pool,
            gpu=self._stores.ledger.gpus[placement.gpu_id],
            memory_mib=placement.amount.memory_mib,
            compute_milli=placement.amount.compute_milli,
            uid=request.account.uid,
            created_at=now,
            never_suspended=request.never_suspended,
            group=placement.group,
            named=placement.named,
            member_of=placement.member_of,
            before_until=None if placement.before is None else placement.before.until,
            before_steps=None if placement.before is None else placement.before.steps,
            lot=lot,
            takes=None if request.takes is None else placement.takes,
            cap_kept_by=request.cap_kept_by,
            compute_kept_by=request.compute_kept_by,
        )


def _wish(request: SliceRequest, home: HomeInUse | None) -> RequestedSlice:
    return RequestedSlice(
        owner=request.owner,
        groups=request.groups,
        size=request.size,
        pool=request.pool,
        gpu_type=request.gpu_type,
        memory_mib=request.memory_mib,
        compute_milli=request.compute_milli,
        never_suspended=request.never_suspended is not None,
        home=home,
        group=request.group,
        takes=NEEDS_NOTHING if request.takes is None else request.takes.need,
    )
