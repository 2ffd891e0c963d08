"""Queries and bodies made to break the service, over every route of the table: none ends in a 5xx.

A new route is covered by being in the table; a new kind of body needs an example below.
"""

import json
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from sublet_hub.security.rate_limits import Rate
from sublet_hub.web.routes.owner import NoBody
from sublet_hub.web.routes.route import Access, Nature, Route
from sublet_hub.web.routes.table import ROUTES
from sublet_quota.wire.announcements import AnnouncementRequest, WithdrawalRequest
from sublet_quota.wire.api import KeepRequest, LendingSwitch, PodStarted, SliceRequest, SliceStarted
from sublet_quota.wire.closings import ClosingRequest, OpeningRequest
from sublet_quota.wire.deliveries import ReportTrialRequest
from sublet_quota.wire.evictions import EvictionRequest
from sublet_quota.wire.jobs import JobRequest
from sublet_quota.wire.quota import KeptIn
from sublet_quota.wire.quota_preview import PreviewRequest
from sublet_quota.wire.quota_revisions import ApplyRequest, RollbackRequest
from sublet_quota.wire.share import ResizeRequest

from tests.support.hub_world import SERVICE_TOKEN, FakeHub, HubWorld, hub_world, settings_for
from tests.support.hub_world_runner import write_interpreter, write_script

pytestmark = pytest.mark.asyncio

TEXTS = ["", "%00", "a%0Ab", "%ff%fe", "%ed%a0%80", "x" * 255, "x" * 256, "..%2f..", "%F0%9F%90%8D"]
QUERIES = {
    Nature.TEXT: TEXTS,
    Nature.TEXTS: [*TEXTS, "&".join(["a=1"] * 300)],
    Nature.NUMBER: [
        "",
        "-1",
        "1e9",
        "1.0",
        *(str(2**bits - 1) for bits in (31, 53, 62, 63)),
        "9" * 250,
        "9" * 5000,
        "%d9%a3",
        "%C2%B2",
        "true",
        "NaN",
    ],
    Nature.PLACE: [
        "",
        "-",
        "a-b",
        "-1-x",
        "9" * 17 + "-x",
        "9" * 18 + "-x",
        "1-" + "x" * 299,
        "1-%00",
    ],
    Nature.TIME: [
        "",
        "0",
        "-1e300",
        "NaN",
        "1e400",
        "9" * 200,
        "2026-11-24T09:30:00",
        "0001-01-01T00:00:00%2b23:59",
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59-23:59",
        "2026-11-24T09:30:00%2b00:00%00",
    ],
}
OF_EVERY_ROUTE = ["owner=", "owner=%00", "since=0001-01-01T00:00:00%2b23:59", "%ff=%ff", "a&" * 500]
VALUES = [
    "true",
    '"3"',
    "3.5",
    "NaN",
    "-Infinity",
    "1e400",
    "1" + "0" * 30,
    "-1" + "0" * 30,
    "1" * 5000,
    "null",
    '""',
    '"\\u0000"',
    '"\\ud800"',
    '"A\\n"',
    json.dumps("x" * 5000),
    "[]",
    '{"A\\n": "\\u0000"}',
    '{"\\u0000": [NaN, 1e400]}',
    '{"x": ' + "1" * 5000 + "}",
    '["\\u0000", "/", ".."]',
]
WHOLE = [b"", b"null", b"[]", b"3", b'"x"', b"\xff", b"{" * 5000, b'{"a":' * 5000, b'{"a": NaN}']
EXAMPLES: dict[type, dict[str, Any]] = {
    AnnouncementRequest: {"text": "hello", "audience": "all"},
    WithdrawalRequest: {"announcement_id": "a"},
    NoBody: {},
    ClosingRequest: {"where": "node-a", "reason": "fan"},
    OpeningRequest: {"where": "node-a"},
    EvictionRequest: {"what": "ada/", "reason": "fan"},
    JobRequest: {"notebook": "train.ipynb"},
    KeepRequest: {"minutes": 5},
    LendingSwitch: {"lending": True},
    ApplyRequest: {"text": "everyone: {}", "reason": "a course", "expect": 1},
    PreviewRequest: {"text": "everyone: {}"},
    ReportTrialRequest: {},
    RollbackRequest: {"revision": 1, "reason": "too much", "expect": 1},
    PodStarted: {"pod_uid": "u", "namespace": "n", "pod_name": "p"},
    ResizeRequest: {"memory_mib": 1024},
    SliceStarted: {"root_pid": 1, "root_start_time": 1.5},
    SliceRequest: {"owner": "eve", "size": "small"},
}


@pytest_asyncio.fixture
async def patient(tmp_path: Path, hub: FakeHub) -> AsyncIterator[HubWorld]:
    """A service that lets everybody ask as often as they like."""
    settings = settings_for(tmp_path, quota_source=KeptIn.DATABASE)
    limits = replace(settings.limits, requests=Rate(1e9, 1e9))
    async with hub_world(tmp_path, hub, replace(settings, limits=limits)) as world:
        yield world


async def _things(world: HubWorld) -> dict[str, str]:
    agent = await world.agent()
    world.interpreter = write_interpreter(world.folder / "python")
    lease = await world.slice_for("ada", size="small")
    write_script(world.folder / "homes/ada/train.ipynb", ["print", "x"])
    agent.gpus = (agent.gpus[0].model_copy(update={"lendable_mib": 0}),)
    await agent.report()
    _, job = await world.call("POST", "jobs", world.user("ada"), {"notebook": "train.ipynb"})
    return {"slice_id": lease["slice_id"], "job_id": job["job_id"], "revision": "1"}


def _tokens(world: HubWorld, route: Route) -> tuple[str, ...]:
    if route.access is Access.HUB:
        return (SERVICE_TOKEN,)
    return (world.user("ada"), world.admin("ada"))


def _queries(route: Route) -> Iterator[str]:
    yield from OF_EVERY_ROUTE
    for parameter in route.parameters:
        for value in QUERIES[parameter.nature]:
            yield f"{parameter.name}={value}"
        yield f"{parameter.name}=1&" * 300


def _bodies(world: HubWorld, route: Route) -> Iterator[bytes]:
    if route.body is None:
        yield b"{"
        return
    yield from WHOLE
    example = dict(EXAMPLES[route.body])
    if route.body is SliceRequest:
        example["account"] = world.account("ada")
    for name in (*route.body.model_fields, "no-such-field"):
        others = {k: v for k, v in example.items() if k != name}
        for value in VALUES:
            text = f"{json.dumps({**others, name: 0})[:-2]}{value}}}"
            yield text.encode()


def _path(route: Route, things: dict[str, str]) -> str:
    return re.sub(r"{(\w+)}", lambda found: things[found[1]], route.path)


def _gentle_first(route: Route) -> bool:
    return route.method == "DELETE" or route.path.endswith("cancel")


async def _check(world: HubWorld, route: Route, path: str, body: Any) -> None:
    for token in _tokens(world, route):
        sent = body if route.method in {"POST", "PUT"} else None
        answer = await world.raw(route.method, f"api/{path}", token, sent)
        about = (route.method, path[:200], sent and sent[:200], answer.body[:300])
        assert answer.code < 500, about
        if answer.code >= 400:
            problem = json.loads(answer.body)
            assert problem["reason"], about
            assert problem["message"], about


async def test_no_query_makes_the_service_fail(patient: HubWorld) -> None:
    things = await _things(patient)
    for route in sorted(ROUTES, key=_gentle_first):
        body = json.dumps({} if route.body is None else EXAMPLES[route.body]).encode()
        for query in _queries(route):
            await _check(patient, route, f"{_path(route, things)}?{query}", body)


@pytest.mark.parametrize(
    "route",
    [r for r in ROUTES if r.method in {"POST", "PUT"}],
    ids=lambda r: f"{r.method} {r.path}",
)
async def test_no_body_makes_the_service_fail(patient: HubWorld, route: Route) -> None:
    things = await _things(patient)
    for body in _bodies(patient, route):
        await _check(patient, route, _path(route, things), body)


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("events?owner=", "leave it out"),
        ("jobs?owner=", "leave it out"),
        ("share?owner=", "leave it out"),
        ("events?owner=a%00", "control"),
        ("events?since=0001-01-01T00:00:00%2b23:59", "write 2026-"),
        ("events?since=", "leave it out"),
        ("jobs?limit=-1", "from 0 to"),
    ],
)
async def test_what_cannot_be_asked_is_refused_with_what_to_do(
    world: HubWorld, query: str, told: str
) -> None:
    status, problem = await world.call("GET", query, world.admin())
    assert (status, problem["reason"]) == (400, "bad-request")
    assert told in problem["message"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("slices/{slice_id}/keep", {"minutes": True}),
        ("slices/{slice_id}/keep", {"minutes": "3"}),
        ("slices/{slice_id}/resize", {"memory_mib": True}),
        ("jobs", {"notebook": "train.ipynb", "retries": True}),
        ("jobs", {"notebook": "train.ipynb", "memory_mib": "1024"}),
        ("jobs", {"notebook": "train.ipynb", "environment": {"A\n": "1"}}),
        ("jobs", {"notebook": "train.ipynb", "memory_mib": 10**30}),
        ("jobs", {"notebook": "train.ipynb", "gpu_type": "a\0b"}),
        ("jobs", {"notebook": "train.ipynb\n"}),
    ],
)
async def test_nothing_passes_for_what_it_is_not(
    world: HubWorld, path: str, body: dict[str, Any]
) -> None:
    things = await _things(world)
    found = re.sub(r"{(\w+)}", lambda name: things[name[1]], path)
    status, problem = await world.call("POST", found, world.user("ada"), body)
    assert (status, bool(problem["message"])) == (400, True)


async def test_a_switch_is_no_word_and_no_number(world: HubWorld) -> None:
    for value in ("yes", 1, "true", 0):
        status, _ = await world.call("PUT", "lending", world.admin(), {"lending": value})
        assert status == 400
    assert world.service.ledger.lending


async def test_no_token_cookie_or_header_makes_the_service_fail(patient: HubWorld) -> None:
    odd = ("\xff\xfe", "x" * 5000, "a b", "%00", "token", "\xfc", '"')
    for path in ("share", "hub/offers?owner=ada", "gpus", "openapi.json", "nowhere/\xff"):
        for value in odd:
            for headers in (
                {"Authorization": f"Bearer {value}"},
                {"Authorization": value},
                {"Cookie": f"sublet-hub={value}; _xsrf={value}"},
                {"X-Forwarded-For": value, "X-Real-Ip": value, "Content-Type": value},
                {"Sec-Fetch-Site": value, "Origin": value, "X-Xsrftoken": value},
            ):
                url = f"api/{path.replace(chr(255), '%ff')}"
                answer = await patient.raw("GET", url, None, None, headers)
                assert answer.code < 500, (path, headers, answer.body)
