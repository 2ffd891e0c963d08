"""What tenants' messages lead to; only their own slice, by the socket's credentials."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final
from weakref import WeakKeyDictionary, WeakValueDictionary

from sublet_quota.names.ids import GpuId, SliceId
from sublet_quota.wire.tenant_socket import CapNotice, GateWaits, KernelActivity, LocalShare

from sublet_agent.cgroups.attribution import Attribution
from sublet_agent.clock import Clock
from sublet_agent.processes.peer import Peer
from sublet_agent.processes.process_table import ProcessIdentity, ProcessTable
from sublet_agent.residency.controller import GpuResidency
from sublet_agent.residency.gate import GateRequest
from sublet_agent.residency.registry import SliceRegistry
from sublet_agent.residency.served_slice import ServedSlice
from sublet_agent.tenants.share import TenantView, cap_notice_of, share_of
from sublet_agent.tenants.wait_reasons import describe

_SHARE_GOOD_FOR_S: Final = 0.1
_LOOKS_AT_ONCE: Final = 8
"""How many accounts' processes may be looked at closely at once."""
_REST_AFTER_LOOKING: Final = 20
"""Looking takes a twentieth of the agent's time at most, however many processes there are."""
_MOST_REST_S: Final = 1.0
"""The longest rest: a look may have been slow for another reason, and what it told gets old."""


@dataclass(frozen=True, slots=True)
class _ToldShare:
    """What a tenant was told of its slice, and until when that is good enough."""

    share: LocalShare
    until: float
    """Until when the share is good enough, by the monotonic clock."""
    of: tuple[object, ...]
    """What the share was made of: it is told no more once this is another."""


class TenantRequests:
    """The answers to the tenant socket, from the slices that are served on this node."""

    def __init__(
        self, registry: SliceRegistry, attribution: Attribution, table: ProcessTable, clock: Clock
    ) -> None:
        self._registry = registry
        self._attribution = attribution
        self._table = table
        self._clock = clock
        self._told: WeakKeyDictionary[ServedSlice, _ToldShare] = WeakKeyDictionary()
        self._looks = ThreadPoolExecutor(_LOOKS_AT_ONCE, "looks-at-tenants")
        self._turns: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()

    def slice_of_peer(self, peer: Peer) -> SliceId | None:
        """Return the slice of a peer's process, as long as it runs and the slice is served here.

        ``None`` also where only its memory tells: that is never read here, in the event loop.
        """
        verdict = self._attribution.peer_at_once(peer)
        return None if verdict is None else self._served(verdict.slice_id)

    async def look_closely(self, peer: Peer) -> SliceId | None:
        """Return the same, also where only the process's memory tells; one an account at a time."""
        if self._attribution.peer_at_once(peer) is not None:
            return self.slice_of_peer(peer)
        turn = self._turns.setdefault(peer.uid, asyncio.Lock())
        async with turn:
            loop = asyncio.get_running_loop()
            found = await loop.run_in_executor(self._looks, self._attribution.slice_of_peer, peer)
        return self._served(found)

    def close(self) -> None:
        """Look at nobody any more."""
        self._looks.shutdown(wait=True, cancel_futures=True)

    def _served(self, slice_id: SliceId | None) -> SliceId | None:
        return slice_id if slice_id is not None and self.serves(slice_id) else None

    def serves(self, slice_id: SliceId) -> bool:
        """Whether the slice is here, and was not taken back."""
        found = self._registry.find(slice_id)
        return found is not None and not found[1].released

    def activity(self, slice_id: SliceId, report: KernelActivity, connection: object) -> None:
        """Take a kernel's report, which came by this connection."""
        found = self._registry.find(slice_id)
        if found is None:
            return
        residency, served = found
        served.activity_record.kernel_reports(report, self._clock.now(), connection)
        if report.busy and not served.gate_open:
            residency.poke()

    def connection_ends(self, slice_id: SliceId, connection: object) -> None:
        """Note that a connection by which kernels were reported has ended."""
        found = self._registry.find(slice_id)
        if found is not None:
            found[1].activity_record.connection_ends(connection, self._clock.now())

    def enter(self, slice_id: SliceId, request: GateRequest) -> bool:
        """Return whether a cell that asks at the gate may run now; else ``request`` waits there.

        An open gate means that the rest of the cap is promised and jobs stand still already.
        """
        found = self._registry.find(slice_id)
        if found is None:
            return False
        residency, served = found
        if served.enter_gate(request, self._clock.now()):
            return True
        residency.poke()
        return False

    def leave(self, slice_id: SliceId, request: GateRequest) -> None:
        """Forget a cell that waits no longer, and does not run either."""
        found = self._registry.find(slice_id)
        if found is not None:
            found[1].leave_gate(request)

    def lets_through(self, slice_id: SliceId, request: GateRequest) -> bool:
        """Whether the slice's gate is open by now: then its cell runs, and waits no longer."""
        found = self._registry.find(slice_id)
        return found is not None and found[1].lets_through(request)

    def other_card(self, slice_id: SliceId) -> GpuId | None:
        """Return the slice's card, where its server may have been started for another."""
        found = self._registry.find(slice_id)
        return None if found is None or found[1].came_from is None else found[1].gpu_id

    def cap_notice(self, slice_id: SliceId) -> CapNotice | None:
        """Return what is to be said in cells of how the slice stands to its cap, if anything."""
        found = self._registry.find(slice_id)
        return None if found is None else cap_notice_of(found[1])

    def waits(self, slice_id: SliceId) -> GateWaits:
        """Return why the slice's cells wait."""
        found = self._registry.find(slice_id)
        if found is None:
            return describe(None, None, self._clock.now())
        residency, served = found
        return describe(served.gate.wait, residency.gpu.move, self._clock.now())

    def share(self, slice_id: SliceId) -> LocalShare | None:
        """Return what the slice holds, or did a moment ago; ``None`` where no GPU has it.

        A tenant may ask very often: looking takes a twentieth of the time at most.
        """
        found = self._registry.find(slice_id)
        if found is None:
            return None
        residency, served = found
        began = self._clock.monotonic()
        of = (residency.gpu.generation, served.gate.wait, served.gate_open, bool(served.requests))
        told = self._told.get(served)
        if told is None or began >= told.until or told.of != of:
            share = self._look_at_share(residency, served)
            ended = self._clock.monotonic()
            rest_s = min(_MOST_REST_S, (ended - began) * _REST_AFTER_LOOKING)
            told = _ToldShare(share, ended + max(_SHARE_GOOD_FOR_S, rest_s), of)
            self._told[served] = told
        return told.share

    def _look_at_share(self, residency: GpuResidency, served: ServedSlice) -> LocalShare:
        now, wait = self._clock.now(), served.gate.wait
        # Before the gate, or in its middle: whoever lost their seat is told why, too.
        cell_stands = served.requests or (wait is not None and served.past_the_gate(now))
        view = TenantView(
            now=now,
            wait=describe(wait, residency.gpu.move, now) if cell_stands else None,
            kernels=served.kernels.of([p.identity for p in served.processes], self._parent),
            compute_kept=residency.shares.kept(served),
            compute_most_milli=residency.shares.most_milli(served),
            compute_foreign_percent=residency.shares.foreign_percent(served),
            driver_limit=residency.limits.standing(served.slice_id),
        )
        return share_of(served, residency.gpu, tuple(residency.slices.values()), view)

    def _parent(self, process: ProcessIdentity) -> ProcessIdentity | None:
        parent = self._table.parent(process.pid)
        return None if parent is None else self._table.identify(parent)
