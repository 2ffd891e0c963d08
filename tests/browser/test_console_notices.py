"""Notices: an admin tells a user and a group; these read it, and put off what will be taken."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.support.browser import OUTPUT, Visitor
from tests.support.browser_console import (
    NARROW,
    faults_found_by_axe,
    fits_in_width,
    open_console,
)
from tests.support.browser_lab import open_notebook, put_notebook
from tests.support.browser_machine import BrowserMachine, browser_machine
from tests.support.browser_panel import mark, open_panel, when_steady

pytestmark = [
    pytest.mark.end_to_end,
]

QUOTA = """\
gpu_types:
  H100: {match: "*H100*"}
pools:
  - {name: interactive, idle_after: 2s}
sizes:
  - {name: small, title: Small, memory: 10 GiB, compute: 1/4}
everyone: {max_idle: 8h, keep_a_day: 2h}
groups:
  speech: {limit: {cards: 1}}
  vision: {}
"""
GROUPS = {"speech": ("cleo",), "vision": ("ada",)}
TALL = {"width": 1280, "height": 1000}
TO_CLEO = "Your result is on the <b>shared</b> disk."
TO_SPEECH = "Speech moves to the new cards on Friday."
TO_VISION = "The door of vision's room is mended on Monday."


@pytest.fixture(scope="module")
def hub() -> Iterator[BrowserMachine]:
    """A machine whose servers may be idle for some hours."""
    with browser_machine(QUOTA, GROUPS, speed=40) as running:
        running.start_server("cleo", "small")
        yield running
        running.keep_logs(OUTPUT / "logs-notices")


@pytest.fixture
def admin(visit, hub) -> Visitor:
    visitor = visit("admin", viewport=TALL)
    open_console(visitor, hub.settings.admin_password, "view/notices")
    return visitor


def tell(page: Page, to: str, name: str, text: str) -> None:
    """Write a notice, and see it in the list."""
    page.get_by_role("button", name="Write a notice…").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("combobox", name="To", exact=True).select_option(label=to)
    dialog.get_by_label("Name").fill(name)
    dialog.get_by_label("What is told").fill(text)
    dialog.get_by_role("button", name="Tell").click()
    expect(mark(page, "said")).to_contain_text("It is told")
    expect(mark(page, "notice").filter(has_text=text)).to_be_visible()


def test_an_admin_tells_a_user_and_a_group_and_these_alone_read_it(admin, visit, hub):
    page = admin.page
    tell(page, "one user", "cleo", TO_CLEO)
    tell(page, "a group, with all below it", "speech", TO_SPEECH)
    tell(page, "a group, with all below it", "vision", TO_VISION)
    assert faults_found_by_axe(page) == []
    admin.photograph_part("console-notices", page.locator("body"), mark(page, "notice").last)

    cleo = visit("cleo", viewport=TALL)
    share = open_console(cleo, hub.settings.password)
    told = mark(share, "announcement")
    expect(told.filter(has_text=TO_CLEO)).to_be_visible()
    expect(told.filter(has_text=TO_SPEECH)).to_be_visible()
    assert TO_VISION not in share.content()
    assert faults_found_by_axe(share) == []
    cleo.photograph("console-notices-read")

    mark(page, "notice").filter(has_text=TO_CLEO).get_by_role("button", name="Take back").click()
    expect(mark(page, "said")).to_contain_text("Taken back")
    # An open page follows by itself.
    expect(told.filter(has_text=TO_CLEO)).to_have_count(0)
    expect(told.filter(has_text=TO_SPEECH)).to_be_visible()


def test_it_stands_in_jupyterlab(in_lab, hub):
    hub.call(
        "POST",
        "/services/sublet/api/announcements",
        {"text": TO_CLEO, "audience": "owner", "name": "cleo"},
    )
    put_notebook(hub.home("cleo") / "work.ipynb", "print('here')")
    cleo = in_lab("cleo", viewport=TALL, a_page_of_its_own=True)
    open_notebook(cleo, "work.ipynb")
    panel = open_panel(cleo)
    expect(mark(panel, "announcement").filter(has_text=TO_CLEO)).to_be_visible()
    # The words of a person are text.
    expect(mark(panel, "announcement").locator("b")).to_have_count(0)
    cleo.photograph("notices-in-lab")


def test_who_is_told_that_something_will_be_taken_extends_and_keeps_it(visit, hub):
    slice_id = hub.slice_of("cleo")["lease"]["slice_id"]
    hub.call("POST", f"/services/sublet/api/slices/{slice_id}/keep", {"minutes": 5})
    cleo = visit("cleo", viewport=TALL)
    page = open_console(cleo, hub.settings.password)
    rows = mark(page, "ahead-row")
    idle = page.locator("[data-sublet='ahead-row'][data-sublet-kind='server-idle']")
    kept = page.locator("[data-sublet='ahead-row'][data-sublet-kind='keep-ends']")
    expect(idle).to_contain_text("is ended, with all that is in its kernels")
    expect(kept).to_contain_text("may be lent again")
    cleo.photograph("console-ahead")
    assert faults_found_by_axe(page) == []
    before = hub.slice_of("cleo")
    when_steady(mark(idle, "extend")).click()
    expect(mark(page, "ahead").locator("[data-sublet='said']")).to_contain_text(
        "may stay idle for 8 h again"
    )
    when_steady(mark(kept, "keep")).click()
    expect(mark(page, "ahead").locator("[data-sublet='said']")).to_contain_text(
        re.compile(r"^Kept: nobody else uses your slice for 30 min")
    )
    after = hub.slice_of("cleo")
    assert after["idle_end"]["ends_at"] > before["idle_end"]["ends_at"]
    assert after["kept_until"] > before["kept_until"]
    expect(rows).not_to_have_count(0)


def test_notices_are_legible_in_light_and_dark_and_on_a_phone(visit, hub):
    for name, password, view in (
        ("admin", hub.settings.admin_password, "view/notices"),
        ("cleo", hub.settings.password, ""),
    ):
        visitor = visit(name, viewport=NARROW)
        page = open_console(visitor, password, view)
        expect(page.get_by_text(TO_SPEECH)).to_be_visible()
        for theme in ("light", "dark"):
            page.get_by_label("Colours").select_option(theme)
            assert faults_found_by_axe(page) == []
            assert fits_in_width(page)
            visitor.photograph(f"console-notices-{name}-narrow-{theme}")
        page.get_by_label("Colours").select_option("auto")
