"""A small service that speaks the hub's part of the API, for tests of the spawner.

It keeps slices in memory, remembers every request, and can be told to refuse, fail or hang.
"""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from sublet_quota.reasons.standings import activity_of
from sublet_quota.wire.agent_link import SliceReport
from sublet_quota.wire.api import (
    Lease,
    Offer,
    Offers,
    PodStarted,
    Problem,
    SliceInfo,
    SliceRequest,
    SliceStarted,
)
from sublet_quota.wire.rank import ToldRank
from sublet_quota.wire.server_queue import QueueWait
from sublet_quota.wire.share import GroupShare
from sublet_quota.wire.standing import tell_standing
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, RequestHandler

from tests.support.closing import close_connections
from tests.support.quota_shares import a_group_share

PREFIX = "/services/sublet"
GPU_ID = "SIM-00000000-0000-5000-8000-000000000000"


def an_offer(size: str = "small", **changes) -> Offer:
    values = {
        "size": size,
        "title": size.title(),
        "pool": "interactive",
        "memory_mib": 10240,
        "compute_milli": 250,
        "allowed": True,
    }
    return Offer(**{**values, **changes})


def own_share(**changes) -> GroupShare:
    """Return what somebody holds and may hold: nothing of 80 GiB in two slices."""
    return a_group_share(**{"limit_mib": 81920, "most_slices": 2, **changes})


def some_offers(*offers: Offer, **changes) -> Offers:
    values = {
        "owner": "ada",
        "offers": offers or (an_offer("small"), an_offer("large", memory_mib=40960)),
        "default": "small",
        "own": own_share(),
    }
    return Offers(**{**values, **changes})


def a_wait(**changes) -> QueueWait:
    at = datetime(2026, 11, 30, 12, tzinfo=UTC)
    values = {
        "owner": "ada",
        "server": "",
        "size": "small",
        "title": "Small",
        "pool": "interactive",
        "group": None,
        "since": at,
        "place": 3,
        "before": 1,
        "expected_at": None,
        "expected_why": "when there will be room is not known",
        "waits_for": ("lab",),
        "message": "Your notebook is in line, at place 3.",
        "until": at,
    }
    return QueueWait(**{**values, **changes})


@dataclass
class FakeService:
    """What the service knows and was asked; tests change it at will."""

    token: str
    token_file: Path
    url: str = ""
    offers: Offers = field(default_factory=some_offers)
    offers_asked: int = 0
    offers_of_group: dict[str, Offers] = field(default_factory=dict)
    """Answers to who asks what they could have if a group paid."""
    problem: Problem | None = None
    """Answer to every request for a slice."""
    problem_status: int = 403
    left_line: list[tuple[str, str]] = field(default_factory=list)
    """The servers that were taken out of the line, by owner and name."""
    in_line: list[QueueWait] = field(default_factory=list)
    """The servers in line, as the page shows them."""
    wait: QueueWait | None = None
    """Answer to every request for a slice for its server: it waits in line."""
    failures: list[int] = field(default_factory=list)
    """Statuses to answer the next requests with, before anything else is done."""
    away: bool = False
    """Every request is answered as a proxy does whose service is gone."""
    body: bytes | None = None
    """Answer to every request, whatever it was."""
    granting: asyncio.Event = field(default_factory=asyncio.Event)
    """While not set, requests for slices hang."""
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    """A request for a slice has arrived."""
    hearing: asyncio.Event = field(default_factory=asyncio.Event)
    """While not set, who tells of a first process gets no answer."""
    told: asyncio.Event = field(default_factory=asyncio.Event)
    """A first process was told."""
    released_one: asyncio.Event = field(default_factory=asyncio.Event)
    slices: dict[str, Lease] = field(default_factory=dict)
    reports: dict[str, SliceReport] = field(default_factory=dict)
    ranks: dict[str, ToldRank] = field(default_factory=dict)
    requests: list[SliceRequest] = field(default_factory=list)
    started: dict[str, SliceStarted] = field(default_factory=dict)
    pods: dict[str, list[PodStarted]] = field(default_factory=dict)
    """What was told of each slice's pod, in order."""
    lease_changes: dict[str, object] = field(default_factory=dict)
    """What is other than usual of the slices handed out."""
    released: list[str] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)

    def grant(self, request: SliceRequest) -> Lease:
        size = request.size or (self.offers.default if request.memory_mib is None else None)
        offer = next((o for o in self.offers.offers if o.size == size), None)
        lease = Lease(
            slice_id=f"slice-{secrets.token_hex(4)}",
            owner=request.owner,
            server=request.server,
            holder="notebook",
            pool="interactive",
            node="node-1",
            gpu_id=GPU_ID,
            gpu_index=0,
            gpu_type="Simulated H100 80GB",
            gpu_memory_mib=81920,
            simulated=True,
            memory_mib=offer.memory_mib if offer else request.memory_mib or 1,
            compute_milli=offer.compute_milli if offer else request.compute_milli or 0,
            size=size,
            created_at=datetime.now(UTC),
        )
        lease = lease.model_copy(update=self.lease_changes)
        self.slices[lease.slice_id] = lease
        return lease


class _Handler(RequestHandler):
    def initialize(self, fake: FakeService) -> None:
        self.fake = fake

    def prepare(self) -> None:
        path = self.request.path.removeprefix(f"{PREFIX}/api/hub")
        self.fake.calls.append(f"{self.request.method} {path}")
        if self.fake.away or self.fake.failures:
            self.set_status(503 if self.fake.away else self.fake.failures.pop(0))
            self.finish("<html>no json</html>")
        elif self.fake.body is not None:
            self.finish(self.fake.body)
        elif self.request.headers.get("Authorization") != f"Bearer {self.fake.token}":
            self.answer(403, Problem(reason="not-the-hub", message="This is for the hub alone"))

    def answer(self, status: int, model) -> None:
        self.set_status(status)
        self.set_header("Content-Type", "application/json")
        self.finish(model.model_dump_json())

    def unknown(self) -> None:
        self.answer(404, Problem(reason="unknown-slice", message="There is no such slice"))


class _OffersHandler(_Handler):
    def get(self) -> None:
        self.fake.offers_asked += 1
        owner = self.get_query_argument("owner")
        group = self.get_query_argument("group", "")
        offers = self.fake.offers_of_group.get(group, self.fake.offers)
        self.answer(200, offers.model_copy(update={"owner": owner}))


class _SlicesHandler(_Handler):
    async def post(self) -> None:
        request = SliceRequest.model_validate_json(self.request.body)
        self.fake.requests.append(request)
        self.fake.asked.set()
        await self.fake.granting.wait()
        if request.memory_mib is not None and request.memory_mib < 1:
            message = f"memory is {request.memory_mib}: ask for 1 MiB or more."
            self.answer(400, Problem(reason="bad-amount", message=message))
        elif self.fake.problem is not None:
            self.answer(self.fake.problem_status, self.fake.problem)
        elif self.fake.wait is not None and self.fake.wait.server == request.server:
            self.answer(202, self.fake.wait)
        else:
            self.answer(201, self.fake.grant(request))


class _QueueHandler(_Handler):
    def get(self) -> None:
        owner = self.get_query_argument("owner")
        waits = [each for each in self.fake.in_line if each.owner == owner]
        self.set_header("Content-Type", "application/json")
        self.finish(f"[{','.join(each.model_dump_json() for each in waits)}]")

    def delete(self) -> None:
        name = self.get_query_argument("owner"), self.get_query_argument("server", "")
        self.fake.left_line.append(name)
        self.fake.in_line = [e for e in self.fake.in_line if (e.owner, e.server) != name]
        self.set_status(204)


class _SliceHandler(_Handler):
    def get(self, slice_id: str) -> None:
        lease = self.fake.slices.get(slice_id)
        if lease is None:
            self.unknown()
            return
        report = self.fake.reports.get(slice_id)
        standing = None if report is None else tell_standing(activity_of(active=report.active))
        info = SliceInfo(lease=lease, report=report, standing=standing, seen_at=None)
        rank = self.fake.ranks.get(slice_id)
        self.answer(200, info.model_copy(update={"rank": rank}))

    def delete(self, slice_id: str) -> None:
        self.fake.slices.pop(slice_id, None)
        self.fake.released.append(slice_id)
        self.fake.released_one.set()
        self.set_status(204)
        self.finish()


class _StartedHandler(_Handler):
    async def post(self, slice_id: str) -> None:
        started = SliceStarted.model_validate_json(self.request.body)
        if slice_id not in self.fake.slices:
            self.unknown()
            return
        self.fake.started[slice_id] = started
        self.fake.told.set()
        await self.fake.hearing.wait()
        self.set_status(204)
        self.finish()


class _PodHandler(_Handler):
    def post(self, slice_id: str) -> None:
        started = PodStarted.model_validate_json(self.request.body)
        if slice_id not in self.fake.slices:
            self.unknown()
            return
        self.fake.pods.setdefault(slice_id, []).append(started)
        self.set_status(204)
        self.finish()


class _CatchAll(_Handler):
    def get(self) -> None:
        self.finish(json.dumps({"fake": True}))


@asynccontextmanager
async def fake_service(folder: Path) -> AsyncIterator[FakeService]:
    """Run the service on a free port of the loopback, with a token in ``folder``."""
    token = secrets.token_hex(16)
    token_file = folder / "service-token"
    token_file.touch(mode=0o600)
    token_file.write_text(f"{token}\n")
    fake = FakeService(token, token_file)
    fake.granting.set()
    fake.hearing.set()
    base = f"{PREFIX}/api/hub"
    arguments = {"fake": fake}
    application = Application(
        [
            (f"{base}/offers", _OffersHandler, arguments),
            (f"{base}/slices", _SlicesHandler, arguments),
            (f"{base}/queue", _QueueHandler, arguments),
            (f"{base}/slices/([^/]+)/started", _StartedHandler, arguments),
            (f"{base}/slices/([^/]+)/pod", _PodHandler, arguments),
            (f"{base}/slices/([^/]+)", _SliceHandler, arguments),
            (".*", _CatchAll, arguments),
        ],
        log_function=lambda _: None,
    )
    server = HTTPServer(application)
    sockets = bind_sockets(0, "127.0.0.1")
    server.add_sockets(sockets)
    fake.url = f"http://127.0.0.1:{sockets[0].getsockname()[1]}{PREFIX}/"
    try:
        yield fake
    finally:
        fake.granting.set()
        fake.hearing.set()
        server.stop()
        await close_connections(server)
