"""Waiting in line as a person does it: on the spawn page, in another server's panel, to the start.

Bea works on her server, and wants another one that is larger, while Ada holds most of the card.
"""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.support.browser import OUTPUT
from tests.support.browser_hub import size, start
from tests.support.browser_lab import open_lab
from tests.support.browser_machine import BrowserMachine, browser_machine
from tests.support.browser_panel import mark, open_panel, photograph_light_and_dark

pytestmark = [
    pytest.mark.end_to_end,
]

QUOTA = """\
gpu_types:
  H100: {match: "*H100*"}
pools:
  - {name: interactive, memory_overcommit: 1, compute_overcommit: 1}
sizes:
  - {name: quarter, title: A quarter of a card, memory: 1/4, compute: 1/4}
  - {name: most, title: Most of a card, memory: 3/4, compute: 3/4}
everyone: {limit: {cards: 1}}
groups: {vision: {}, speech: {}}
notebooks: {when_full: queue, wait_most: 2h}
"""
GROUPS = {"vision": ("ada",), "speech": ("bea",)}
PAGE = "/hub/spawn/bea/training"
TALL = {"width": 1280, "height": 1100}


@pytest.fixture(scope="module")
def hub() -> Iterator[BrowserMachine]:
    """A machine of this module's own, on which notebooks wait in line."""
    with browser_machine(QUOTA, GROUPS, speed=40) as running:
        yield running
        running.keep_logs(OUTPUT / "logs-line")


def place_shown(page: Page) -> Locator:
    return page.get_by_role("status", name="Your place in line")


def ask_for_most(page: Page) -> None:
    """Pick the size that has no room, and see one's place: on this page, or on that of a start."""
    most = size(page, "Most of a card")
    expect(most).to_have_accessible_description(re.compile("^No room now: your server waits in"))
    most.check()
    start(page)
    # JupyterHub waits a second for the answer, and shows the progress of a start until it comes.
    progress = page.get_by_text(re.compile("notebook is in line, at place"))
    expect(place_shown(page).or_(progress).first).to_be_visible()
    if not place_shown(page).is_visible():
        page.goto(PAGE)
    expect(place_shown(page)).to_be_visible()


def test_who_waits_reads_their_place_leaves_asks_again_and_is_started(in_lab, hub):
    hub.start_server("ada", "most")
    bea = in_lab("bea", "quarter", viewport=TALL)
    page = bea.page
    page.goto(PAGE)
    bea.photograph("line-form")
    ask_for_most(page)
    shown = place_shown(page)
    expect(shown).to_contain_text("In line for Most of a card, at place 1")
    expect(shown).to_contain_text("Nobody before it asks for the same GPUs.")
    expect(shown).to_contain_text("In the way are slices of vision.")
    expect(shown).to_contain_text(re.compile(r"or leaves the line at \d{4}-\S+ \S+ UTC"))
    expect(shown).not_to_contain_text("ada")
    expect(page.get_by_role("button", name="Start")).to_be_hidden()
    bea.photograph("line-place")

    # A choice half made is on a page that stays as it is.
    with page.expect_navigation() as gone:
        page.get_by_role("link", name="Ask for something else").click()
    assert "refresh" not in gone.value.headers
    expect(size(page, "A quarter of a card")).to_be_visible()
    bea.photograph("line-other")
    with page.expect_navigation() as back:
        page.get_by_role("link", name="Back to your place in line").click()
    assert back.value.headers["refresh"] == f"20; url={PAGE}"

    open_lab(bea)
    panel = open_panel(bea)
    waits = mark(panel, "in-line")
    expect(waits).to_contain_text("training · Most of a card")
    expect(mark(waits, "line-number")).to_have_text("place 1")
    expect(mark(waits, "line-for")).to_have_text("In the way are slices of vision.")
    photograph_light_and_dark(bea, "line-panel")

    page.goto(PAGE)
    page.get_by_role("button", name="Leave the line").click()
    expect(size(page, "Most of a card")).to_be_visible()
    expect(shown).to_have_count(0)
    assert hub.call("GET", "/services/sublet/api/queue?all=1").json() == []

    ask_for_most(page)
    hub.call("DELETE", "/hub/api/users/ada/server")
    # Nobody touches the page: it looks again, and follows the server that was started.
    page.wait_for_url(re.compile(r"/user/bea/training/lab"))
    assert hub.call("GET", "/services/sublet/api/queue?all=1").json() == []
