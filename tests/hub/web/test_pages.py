"""Long lists come in pages, bounded by count and bytes, and nobody waits while they are made."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from pydantic import BaseModel
from sublet_hub.ledger.database import LedgerReadError
from sublet_hub.ledger.job_order import Place
from sublet_hub.ledger.reading import UnreadableRecords
from sublet_hub.ledger.records import Change, EventRecord, JobRecord
from sublet_hub.security import rate_limits
from sublet_hub.security.list_turns import ListTurns
from sublet_hub.security.rate_limits import Rate
from sublet_hub.web.routes.pages import MOST_PAGE_BYTES, Listing, newest_page
from sublet_quota.life_cycles.job_states import JobState
from sublet_quota.names.ids import JobId
from sublet_quota.wire.api import NEXT_PAGE, TOTAL

from tests.support.hub_world import FakeHub, HubWorld, hub_world, settings_for, until
from tests.support.ledger_records import a_job_record

pytestmark = pytest.mark.asyncio
NOW = datetime.now(UTC).replace(hour=9, minute=30, second=0, microsecond=0) - timedelta(days=1)
"""Of yesterday: what ended months ago the service forgets as it starts."""
LARGE = ("\N{SNAKE}" * 1000,) * 4
"""A job with these is as large as one may be; older services took 50 times as much."""


def jobs_of(owner: str, count: int, **values: Any) -> tuple[JobRecord, ...]:
    """Jobs that have ended, two submitted in each second."""
    return tuple(
        a_job_record(
            f"{owner}-{number:04}",
            owner,
            **{
                "state": JobState.DONE,
                "submitted_at": NOW + timedelta(seconds=number // 2),
                "ended_at": NOW + timedelta(hours=1, seconds=number),
                **values,
            },
        )
        for number in range(count)
    )


async def pages_of(
    world: HubWorld, path: str, token: str, most: int = 100
) -> list[tuple[int, list[dict[str, Any]]]]:
    """All pages of a list: how many bytes each has, and what is in it."""
    found: list[tuple[int, list[dict[str, Any]]]] = []
    address = path
    for _ in range(most):
        answer = await world.raw("GET", f"api/{address}", token)
        assert answer.code == 200, answer.body
        status, entries = await world.call("GET", address, token)
        assert status == 200
        found.append((len(answer.body), entries))
        following = answer.headers.get(NEXT_PAGE)
        if following is None:
            return found
        address = f"{path}{'&' if '?' in path else '?'}before={following}"
    raise AssertionError(path)


@pytest_asyncio.fixture
async def patient(tmp_path: Path, hub: FakeHub) -> AsyncIterator[HubWorld]:
    settings = settings_for(tmp_path)
    limits = replace(settings.limits, requests=Rate(1e9, 1e9))
    async with hub_world(tmp_path, hub, replace(settings, limits=limits)) as world:
        yield world


async def test_large_jobs_come_in_pages_of_bounded_size_and_none_is_missing(
    patient: HubWorld,
) -> None:
    ledger = patient.service.ledger
    ledger.apply(Change(jobs=jobs_of("ada", 41, take_along=LARGE)), NOW)
    ledger.apply(Change(jobs=jobs_of("bob", 3)), NOW)
    live = a_job_record("ada-live", "ada", submitted_at=NOW + timedelta(hours=1))
    ledger.apply(Change(jobs=(live,)), NOW)
    pages = await pages_of(patient, "jobs?limit=1000", patient.user("ada"))
    assert len(pages) > 2
    assert all(size <= MOST_PAGE_BYTES for size, _ in pages)
    listed = [job["job_id"] for _, jobs in pages for job in jobs]
    assert listed == ["ada-live", *(f"ada-{number:04}" for number in reversed(range(41)))]
    everybodys = await pages_of(patient, "jobs", patient.admin())
    assert sum(len(jobs) for _, jobs in everybodys) == 45


async def test_a_page_has_as_many_as_asked_for_and_says_whether_there_are_more(
    patient: HubWorld,
) -> None:
    patient.service.ledger.apply(Change(jobs=jobs_of("ada", 10)), NOW)
    ada = patient.user("ada")
    for limit, lengths in ((3, [3, 3, 3, 1]), (5, [5, 5]), (10, [10]), (11, [10])):
        pages = await pages_of(patient, f"jobs?limit={limit}", ada)
        assert [len(jobs) for _, jobs in pages] == lengths
        assert len({job["job_id"] for _, jobs in pages for job in jobs}) == 10


async def test_one_that_is_larger_than_a_page_comes_alone(patient: HubWorld) -> None:
    larger = ("\N{SNAKE}" * 1000,) * 100
    patient.service.ledger.apply(Change(jobs=jobs_of("ada", 3, take_along=larger)), NOW)
    pages = await pages_of(patient, "jobs", patient.user("ada"))
    assert [len(jobs) for _, jobs in pages] == [1, 1, 1]


class Shown(BaseModel):
    number: int


@pytest.mark.parametrize("missing", [{9}, {5, 6, 7}, {0}, set(range(10)), set(range(3))])
async def test_a_list_goes_on_behind_what_is_missing(missing: set[int]) -> None:
    def older(before: Place | None, most: int) -> list[int]:
        last = 10 if before is None else int(before[1])
        return [n for n in range(last - 1, max(-1, last - 1 - most), -1) if n not in missing]

    listing = Listing(older, lambda n: (NOW, str(n)), lambda n: Shown(number=n), "events")
    page = await newest_page(listing, None, 100, ListTurns(), UnreadableRecords())
    wanted = [n for n in reversed(range(10)) if n not in missing]
    assert [json.loads(entry)["number"] for entry in page.entries] == wanted
    assert page.following is None


async def test_entries_that_are_slow_to_show_are_made_a_few_at_a_time() -> None:
    asked: list[int] = []

    def older(before: Place | None, most: int) -> list[int]:
        asked.append(most)
        last = 10 if before is None else int(before[1])
        return list(range(last - 1, max(-1, last - 1 - most), -1))

    def show(number: int) -> Shown:
        ends_s = time.thread_time() + 0.02
        while time.thread_time() < ends_s:
            pass
        return Shown(number=number)

    listing = Listing(older, lambda n: (NOW, str(n)), show, "events")
    page = await newest_page(listing, None, 100, ListTurns(), UnreadableRecords())
    assert len(page.entries) == 10
    assert asked[:10] == [1] * 10
    assert page.cpu_s > 0.2


async def test_an_owner_whose_jobs_are_slow_to_show_pays_for_that(
    tmp_path: Path, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Whatever a machine takes for a page is slow.
    monkeypatch.setattr(rate_limits, "_SLOW_S", 1e-6)
    settings = settings_for(tmp_path)
    limits = replace(settings.limits, requests=Rate(burst=20, per_s=1e-6))
    async with hub_world(tmp_path, hub, replace(settings, limits=limits)) as world:
        failed = jobs_of("ada", 30, state=JobState.FAILED, attempts=1)
        world.service.ledger.apply(Change(jobs=failed), NOW)
        ada = world.user("ada")
        statuses = [(await world.raw("GET", "api/jobs", ada)).code for _ in range(2)]
    assert statuses == [200, 429]


async def test_events_come_in_pages_the_newest_first_and_each_in_its_order(
    patient: HubWorld,
) -> None:
    events = tuple(
        EventRecord(
            f"é/{number:04}",
            NOW + timedelta(seconds=number // 3),
            "evicted",
            owner="ada",
            detail="\N{SNAKE}" * 900,
        )
        for number in range(300)
    )
    patient.service.ledger.add_events(events)
    since = f"since={NOW:%Y-%m-%dT%H:%M:%SZ}"
    pages = await pages_of(patient, f"events?{since}", patient.user("ada"))
    assert len(pages) > 3
    assert all(size <= MOST_PAGE_BYTES for size, _ in pages)
    listed = [event["event_id"] for _, page in reversed(pages) for event in page]
    assert listed == [f"é/{number:04}" for number in range(3, 300)]


async def test_a_page_costs_more_requests_than_a_short_answer(
    tmp_path: Path, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    # By its bytes: also where a machine takes long for it.
    monkeypatch.setattr(time, "thread_time", lambda: 0.0)
    settings = settings_for(tmp_path)
    limits = replace(settings.limits, requests=Rate(burst=20, per_s=1e-6))
    async with hub_world(tmp_path, hub, replace(settings, limits=limits)) as world:
        ada, bob = world.user("ada"), world.user("bob")
        world.service.ledger.apply(Change(jobs=jobs_of("ada", 40, take_along=LARGE)), NOW)
        statuses = [(await world.raw("GET", "api/jobs", ada)).code for _ in range(6)]
        assert statuses == [200, 200, 200, 200, 200, 429]
        statuses = [(await world.raw("GET", "api/jobs", bob)).code for _ in range(20)]
        assert set(statuses) == {200}
        assert (await world.raw("GET", "api/jobs", bob)).code == 429


async def test_pages_that_are_asked_for_at_once_cost_as_much(tmp_path: Path, hub: FakeHub) -> None:
    settings = settings_for(tmp_path)
    limits = replace(settings.limits, requests=Rate(burst=20, per_s=1e-6))
    async with hub_world(tmp_path, hub, replace(settings, limits=limits)) as world:
        ada = world.user("ada")
        world.service.ledger.apply(Change(jobs=jobs_of("ada", 40, take_along=LARGE)), NOW)
        asked = [world.raw("GET", "api/jobs", ada) for _ in range(20)]
        statuses = [answer.code for answer in await asyncio.gather(*asked)]
        assert set(statuses) == {200, 429}
        assert statuses.count(200) < 8


async def test_a_log_is_read_to_its_end_and_each_part_is_one_request(
    tmp_path: Path, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Also where a machine takes long to look at the job.
    monkeypatch.setattr(time, "thread_time", lambda: 0.0)
    settings = settings_for(tmp_path)
    limits = replace(settings.limits, requests=Rate(burst=6, per_s=1e-6))
    async with hub_world(tmp_path, hub, replace(settings, limits=limits)) as world:
        world.service.ledger.apply(Change(jobs=jobs_of("ada", 1)), NOW)
        log = settings.state_folder / "jobs" / "ada-0000" / "log"
        log.parent.mkdir()
        log.write_bytes(b"x" * 5 * 2**18)
        ada, offset, ended = world.user("ada"), 0, False
        while not ended:
            status, part = await world.call("GET", f"jobs/ada-0000/log?offset={offset}", ada)
            assert status == 200
            offset, ended = part["next_offset"], part["ended"]
        assert offset == 5 * 2**18


async def test_a_place_that_no_page_has_told_is_refused(world: HubWorld) -> None:
    for path in ("jobs", "events"):
        status, problem = await world.call("GET", f"{path}?before=yesterday", world.user("ada"))
        assert (status, NEXT_PAGE in problem["message"]) == (400, True)


async def test_a_database_that_does_not_answer_is_no_defect_of_the_service(
    world: HubWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = world.service.ledger
    ledger.apply(Change(jobs=jobs_of("ada", 3)), NOW)

    def unanswered(*_: object) -> None:
        raise LedgerReadError("the ledger's database does not answer: OperationalError")

    monkeypatch.setattr(ledger.jobs, "_read", unanswered)
    for path in ("jobs", "jobs/ada-0001"):
        status, problem = await world.call("GET", path, world.user("ada"))
        assert (status, problem["reason"]) == (503, "ledger-unavailable")


@pytest.mark.parametrize(
    ("part", "value", "help_"),
    [
        ("take_along", ["\N{SNAKE}" * 900] * 5, "name folders"),
        ("environment", {f"A{number}": "x" * 1000 for number in range(20)}, "leave variables out"),
        ("parameters", {"text": "x" * 16_350}, "into a file"),
    ],
)
async def test_a_job_too_large_to_be_stored_is_refused_with_what_to_leave_out(
    world: HubWorld, part: str, value: Any, help_: str
) -> None:
    body = {"notebook": "train.ipynb", part: value}
    status, problem = await world.call("POST", "jobs", world.user("ada"), body)
    assert (status, problem["reason"]) == (400, "bad-request")
    assert "16384" in problem["message"]
    assert f"Its {part} takes" in problem["message"]
    assert help_ in problem["message"]


async def test_the_head_of_the_queue_comes_first_and_none_is_missing(world: HubWorld) -> None:
    admin, ledger = world.admin(), world.service.ledger
    waiting = tuple(
        a_job_record(f"w-{n}", f"u{n % 3}", submitted_at=NOW + timedelta(seconds=n))
        for n in range(9)
    )
    ended = jobs_of("u1", 5)
    ledger.apply(Change(jobs=(*waiting, *ended)), NOW)
    await until(lambda: world.service.job_views.place(JobId("w-8")) is not None)
    pages = await pages_of(world, "jobs?order=queue&limit=4", admin)
    listed = [job for _, page in pages for job in page]
    assert [job["place"] for job in listed[:9]] == list(range(1, 10))
    assert [job["job_id"] for job in listed[9:]] == [f"u1-{n:04}" for n in (4, 3, 2, 1, 0)]


async def test_the_first_page_tells_how_many_there_are(world: HubWorld) -> None:
    jobs = (*jobs_of("ada", 7), a_job_record("w", "ada"), *jobs_of("bob", 2))
    world.service.ledger.apply(Change(jobs=jobs), NOW)
    totals = {
        query: (await world.raw("GET", f"api/jobs?limit=2{query}", world.admin())).headers[TOTAL]
        for query in ("", "&owner=ada", "&state=waiting", "&state=done&owner=bob")
    }
    assert list(totals.values()) == ["10", "8", "1", "2"]


async def test_jobs_of_some_states_are_found_behind_very_many_others(world: HubWorld) -> None:
    ledger, admin = world.service.ledger, world.admin()
    failed = replace(jobs_of("bob", 1)[0], state=JobState.FAILED)
    ledger.apply(Change(jobs=(failed, *jobs_of("ada", 500))), NOW)
    for order in ("", "&order=queue"):
        _, found = await world.call("GET", f"jobs?state=failed{order}", admin)
        assert [job["job_id"] for job in found] == ["bob-0000"]
    for query in ("state=asleep", "order=random"):
        assert (await world.call("GET", f"jobs?{query}", admin))[0] == 400


async def test_a_list_goes_on_behind_a_job_that_has_left_the_queue(world: HubWorld) -> None:
    admin, ledger = world.admin(), world.service.ledger
    waiting = [
        a_job_record(f"w-{n}", "ada", submitted_at=NOW + timedelta(seconds=n)) for n in range(5)
    ]
    ledger.apply(Change(jobs=tuple(waiting)), NOW)
    await until(lambda: world.service.job_views.place(JobId("w-4")) is not None)
    first = await world.raw("GET", "api/jobs?order=queue&limit=2", admin)
    gone = replace(waiting[1], state=JobState.CANCELLED, ended_at=NOW)
    ledger.apply(Change(jobs=(gone,)), NOW)
    await until(lambda: world.service.job_views.place(JobId("w-4")) == 4)
    path = f"jobs?order=queue&before={first.headers[NEXT_PAGE]}"
    _, rest = await world.call("GET", path, admin)
    assert [job["job_id"] for job in rest] == ["w-2", "w-3", "w-4", "w-1"]


@pytest.mark.parametrize("what", ["jobs", "events", "refusals", "queue"])
async def test_a_list_of_somebody_who_does_not_exist_is_refused_with_their_name(
    world: HubWorld, what: str
) -> None:
    world.hub.people["cleo"] = None
    status, problem = await world.call("GET", f"{what}?owner=nobody", world.admin())
    assert (status, problem["reason"]) == (404, "not-found")
    assert "JupyterHub knows no user 'nobody'" in problem["message"]
    assert await world.call("GET", f"{what}?owner=cleo", world.admin()) == (200, [])
    world.hub.broken = True
    assert await world.call("GET", f"{what}?owner=ghost", world.admin()) == (200, [])
    status, problem = await world.call("GET", f"{what}?owner=nobody", world.user("ada"))
    assert status == 403


async def test_jobs_of_somebody_who_is_no_user_any_more_are_listed_in_whatever_state(
    world: HubWorld,
) -> None:
    world.service.ledger.apply(Change(jobs=jobs_of("ada", 1)), NOW)
    for query, count in (("", 1), ("&state=waiting", 0)):
        status, found = await world.call("GET", f"jobs?owner=ada{query}", world.admin())
        assert (status, len(found)) == (200, count)
