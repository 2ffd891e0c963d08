"""The console's view of who waits for whom: why does somebody wait, and who has whose room?"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect
from sublet_quota.life_cycles.job_states import ENDED
from sublet_quota.wire.waits import MOST_TOLD, Waiting, WaitsReport, WaitSum

from tests.support.browser_console import (
    SERVICE,
    faults_found_by_axe,
    fits_in_width,
    open_console,
)
from tests.support.browser_lab import put_notebook
from tests.support.browser_machine import BrowserMachine, until
from tests.support.browser_panel import mark

pytestmark = [
    pytest.mark.end_to_end,
]

TALL = {"width": 1280, "height": 1000}
NARROW = {"width": 360, "height": 800}
FILL = "import sublet_agent.simulated.client as gpu\nheld = gpu.allocate(gib={gib})"
BUSY = "import pathlib\nwhile not pathlib.Path({until!r}).exists():\n    gpu.compute(seconds=0.2)"
_TYPE = """\
async text => {
  const field = document.querySelector('[data-sublet="search"]');
  Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value').set.call(field, text);
  const began = performance.now();
  field.dispatchEvent(new Event('input', { bubbles: true }));
  await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)));
  return performance.now() - began;
}"""
COMPUTE = "while True:\n    gpu.compute(seconds=0.2)"


@contextmanager
def at_work(hub: BrowserMachine, owner: str, gib: int) -> Iterator[None]:
    """Have a cell of somebody's wait or run as long as the block lasts."""
    enough = hub.home(owner) / "enough"
    enough.unlink(missing_ok=True)
    with ThreadPoolExecutor(max_workers=1) as apart:
        cells = FILL.format(gib=gib), BUSY.format(until=str(enough))
        running = apart.submit(hub.run_cells, owner, *cells)
        try:
            yield
        finally:
            enough.touch()
            running.result()


def told(hub: BrowserMachine, owner: str) -> dict[str, Any]:
    """How somebody waits, as the service tells admins."""
    waiting = hub.call("GET", f"{SERVICE}api/waits?all=1").json()["waiting"]
    return next((each for each in waiting if each["owner"] == owner), {})


def many() -> str:
    """What a service tells of which ten thousand jobs wait, as JSON."""
    now = datetime.now(UTC)
    waiting = tuple(
        Waiting(
            kind="job",
            owner=f"user-{number % 500}",
            job_id=f"job-{number}",
            job_name=f"train-{number}.ipynb",
            group=f"group-{number % 20}",
            gpu_type="H100",
            since=now - timedelta(seconds=number),
            code="too-little-idle",
            reason="needs 40 GiB, and no GPU lends more than 4 GiB now",
            place=number + 1,
        )
        for number in range(MOST_TOLD)
    )
    sums = (WaitSum(kind="job", code="too-little-idle", count=MOST_TOLD),)
    return WaitsReport(
        as_of=now, waiting=waiting, loans=(), sums=sums, total_waiting=MOST_TOLD, total_loans=0
    ).model_dump_json()


def row(page: Page, owner: str) -> Locator:
    return mark(page, "wait", owner=owner)


@pytest.fixture
def admin(visit, hub):
    visitor = visit("admin", viewport=TALL)
    open_console(visitor, hub.settings.admin_password, "view/waits")
    return visitor


@pytest.fixture
def waiting(hub):
    """Ada works, so that Eva's cell and Finn's job wait."""
    for owner, size in (("ada", "large"), ("eva", "large"), ("finn", "small")):
        hub.start_server(owner, size)
        hub.end_kernels(owner)
    put_notebook(hub.home("finn") / "train.ipynb", FILL.format(gib=50), COMPUTE)
    with at_work(hub, "ada", 30):
        until(lambda: hub.slice_of("ada")["report"]["memory_mib"] > 30 * 1024, "ada to work")
        with at_work(hub, "eva", 36):
            until(lambda: told(hub, "eva"), "the cell of eva to wait")
            job = hub.submit("finn", notebook="train.ipynb", memory_mib=60 * 1024)
            until(lambda: told(hub, "finn"), "the job of finn to wait")
            yield job
            if hub.job(job)["state"] not in ENDED:
                hub.call("POST", f"{SERVICE}api/jobs/{job}/cancel", {})
            (hub.home("ada") / "enough").touch()


def test_an_admin_sees_why_somebody_waits_for_whom_and_what_would_help(admin, waiting, hub):
    page = admin.page
    cell, facts = row(page, "eva"), told(hub, "eva")
    expect(cell).to_have_attribute("data-sublet-kind", "cell")
    expect(cell).to_have_attribute("data-sublet-code", facts["code"])
    expect(mark(cell, "wait-why")).to_contain_text(facts["reason"][1:])
    expect(mark(cell, "wait-for")).to_have_text("ada")
    expect(mark(cell, "wait-place")).to_have_text("place 1")
    cell.get_by_role("button", expanded=False).click()
    expect(mark(cell, "wait-holders")).to_contain_text("ada: ")
    admin.photograph("console-waits")
    for theme in ("light", "dark"):
        page.get_by_label("Colours").select_option(theme)
        assert faults_found_by_axe(page) == []
        admin.photograph(f"console-waits-{theme}")
    page.get_by_label("Colours").select_option("auto")

    mark(page, "search").fill("finn train")
    expect(row(page, "eva")).to_have_count(0)
    expect(mark(page, "found")).to_have_text("1 of 2 who wait")
    job, facts = row(page, "finn"), told(hub, "finn")
    expect(mark(job, "wait-why")).to_contain_text(facts["reason"][1:])
    for each in facts["helps"]:
        expect(mark(job, "wait-helps")).to_contain_text(each["words"])
    page.reload()
    expect(mark(page, "search")).to_have_value("finn train")
    expect(row(page, "finn")).to_have_count(1)

    hub.call("POST", f"{SERVICE}api/jobs/{waiting}/cancel", {})
    # By the stream: nobody touches the page.
    expect(row(page, "finn")).to_have_count(0)
    mark(page, "search").fill("")
    expect(row(page, "eva")).to_have_count(1)
    (hub.home("ada") / "enough").touch()
    expect(row(page, "eva")).to_have_count(0, timeout=60_000)
    expect(mark(page, "nobody")).to_be_visible()


def test_users_see_their_own_and_who_waits_for_theirs_but_nobodys_name(visit, waiting, hub):  # noqa: ARG001
    pages = {}
    for owner in ("ada", "eva"):
        visitor = visit(owner, viewport=TALL)
        pages[owner] = open_console(visitor, hub.settings.password, "view/waits")
    mine = row(pages["eva"], "eva")
    expect(mark(mine, "wait-for")).to_have_text("another owner")
    expect(mark(pages["ada"], "mine-waits")).to_contain_text("Nothing of yours waits.")
    expect(mark(pages["ada"], "wait-for-mine")).to_contain_text(
        "another owner waits for the slice of your default server"
    )
    for owner, others in (("ada", ("eva", "finn")), ("eva", ("ada", "finn"))):
        for other in others:
            expect(pages[owner].get_by_role("main")).not_to_contain_text(other)
        assert faults_found_by_axe(pages[owner]) == []
    narrow = visit("eva", viewport=NARROW)
    page = open_console(narrow, hub.settings.password, "view/waits")
    expect(row(page, "eva")).to_be_visible()
    assert fits_in_width(page)
    narrow.photograph("console-waits-narrow")


def test_an_admin_sees_who_has_whose_room(admin, hub):
    for owner, size in (("ada", "large"), ("eva", "small")):
        hub.start_server(owner, size)
        hub.end_kernels(owner)
    hub.run_cells("ada", FILL.format(gib=30))
    put_notebook(hub.home("eva") / "train.ipynb", FILL.format(gib=50), COMPUTE)
    job = hub.submit("eva", notebook="train.ipynb", memory_mib=52 * 1024)
    until(lambda: hub.job(job)["cells_done"], "the job to run on what is lent")
    page = admin.page
    mark(page, "part-loans").focus()
    page.keyboard.press("Enter")
    pair = mark(page, "loan", kind="idle-slice").filter(has_text="ada")
    expect(pair.get_by_role("rowheader")).to_have_text("a job of eva")
    expect(pair).to_contain_text("0.5 cards")
    assert faults_found_by_axe(page) == []
    admin.photograph("console-loans")
    hub.call("POST", f"{SERVICE}api/jobs/{job}/cancel", {})
    expect(pair).to_have_count(0)


def test_ten_thousand_who_wait_are_looked_through_at_once_and_few_are_drawn(admin, hub):  # noqa: ARG001
    page = admin.page
    told_of_many = many()
    page.route("**/api/waits?all=1", lambda route: route.fulfill(body=told_of_many))
    page.goto(f"{SERVICE}view/waits")
    expect(mark(page, "found")).to_have_text("10000 of 10000 who wait")
    assert mark(page, "wait").count() < 50
    page.keyboard.press("End")
    expect(page.get_by_text("train-9999.ipynb")).to_be_visible()
    assert mark(page, "wait").count() < 50
    took_ms = [page.evaluate(_TYPE, text) for text in ("user-77", "user-77 h100", "train-9977.")]
    expect(mark(page, "found")).to_have_text("1 of 10000 who wait")
    expect(row(page, "user-477")).to_be_visible()
    assert sorted(took_ms)[1] < 500
    assert faults_found_by_axe(page) == []
    page.unroute("**/api/waits?all=1")
