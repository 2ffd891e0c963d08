"""Several cards at once on the console: drained, opened, and whoever is on one of them told."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.support.browser import OUTPUT, Visitor
from tests.support.browser_console import (
    SERVICE,
    card,
    faults_found_by_axe,
    open_console,
)
from tests.support.browser_machine import BrowserMachine, browser_machine
from tests.support.browser_panel import mark

pytestmark = [
    pytest.mark.end_to_end,
]

QUOTA = """\
gpu_types:
  H100: {match: "*H100*"}
sizes:
  - {name: most, title: Most of a card, memory: 60 GiB, compute: 1/2}
"""
TALL = {"width": 1280, "height": 1000}
TO_THE_CARD = "This card is taken out at six: save your work."
TO_ALL = "The door to the machine room is shut."


@pytest.fixture(scope="module")
def hub() -> Iterator[BrowserMachine]:
    """Three cards; on two of them a server, as there is no room for both on one."""
    with browser_machine(QUOTA, {"vision": ("ada",)}, speed=40, gpus=3) as running:
        running.start_server("ada", "most")
        running.start_server("eva", "most")
        yield running
        running.keep_logs(OUTPUT / "logs-several-cards")


@pytest.fixture
def admin(visit, hub) -> Visitor:
    visitor = visit("admin", viewport=TALL)
    open_console(visitor, hub.settings.admin_password, "view/cards")
    expect(card(visitor.page)).to_have_count(3)
    return visitor


def card_of(hub: BrowserMachine, owner: str) -> str:
    """The name of the card on which somebody's server has its slice."""
    lease = hub.slice_of(owner)["lease"]
    return f"{lease['node']}:{lease['gpu_index']}"


def choose(page: Page, *names: str) -> None:
    for name in names:
        page.get_by_role("checkbox", name=f"Choose the card {name}", exact=True).check()


def test_two_cards_are_drained_and_opened_at_once_and_the_third_stays(admin, hub):
    page = admin.page
    names = (card_of(hub, "ada"), card_of(hub, "eva"))
    assert len(set(names)) == 2
    listed = [each.get_attribute("data-sublet-name") for each in card(page).all()]
    (other,) = (each for each in listed if each not in names)
    choose(page, *names)
    expect(mark(page, "chosen")).to_have_text("2 cards, 0 slices chosen")
    page.get_by_role("button", name="Drain…").click()
    dialog = mark(page, "drain-dialog")
    dialog.get_by_label("Why").fill("new fans")
    dialog.get_by_role("button", name="Drain").click()
    expect(mark(page, "outcome")).to_have_text("Done: 2.")
    for name in names:
        one = card(page, name)
        expect(one).to_have_attribute("data-sublet-health", "closed")
        expect(mark(one, "reason").first).to_have_text("Drained by admin: new fans")
        # Owners stay.
        expect(mark(one, "segment")).to_have_count(1)
    expect(card(page, other)).to_have_attribute("data-sublet-health", "open")
    assert len(hub.call("GET", f"{SERVICE}api/closings").json()) == 2
    assert faults_found_by_axe(page) == []
    admin.photograph("console-several-cards")

    choose(page, *names)
    page.get_by_role("button", name="Open…").click()
    mark(page, "open-dialog").get_by_role("button", name="Open").click()
    expect(mark(page, "outcome")).to_have_text("Done: 2.")
    for name in names:
        expect(card(page, name)).to_have_attribute("data-sublet-health", "open")
    assert hub.call("GET", f"{SERVICE}api/closings").json() == []


def test_who_is_on_a_card_is_told_and_who_is_on_another_is_not(admin, visit, hub):
    page = admin.page
    ada, eva = (visit(name, viewport=TALL) for name in ("ada", "eva"))
    for each in (ada, eva):
        open_console(each, hub.settings.password)
    name = card_of(hub, "ada")
    choose(page, name)
    page.get_by_role("button", name="Tell…").click()
    dialog = mark(page, "notice-dialog")
    expect(dialog).to_contain_text(f"To whoever has a slice on: {name}")
    dialog.get_by_label("What is told").fill(TO_THE_CARD)
    dialog.get_by_role("button", name="Tell").click()
    expect(mark(page, "outcome")).to_have_text("Done: 1.")

    told = mark(ada.page, "announcement")
    expect(told.filter(has_text=TO_THE_CARD)).to_contain_text(
        re.compile("until .*[0-9]{2}:[0-9]{2}")
    )
    # What is told to everybody comes later, and by the same way.
    hub.call("POST", f"{SERVICE}api/announcements", {"text": TO_ALL, "audience": "all"})
    expect(mark(eva.page, "announcement")).to_contain_text([TO_ALL])
    expect(told).to_have_count(2)
    assert TO_THE_CARD not in eva.page.content()
    assert faults_found_by_axe(ada.page) == []

    page.get_by_role("link", name="Notices").click()
    notice = mark(page, "notice").filter(has_text=TO_THE_CARD)
    expect(notice).to_contain_text(f"To all on card {name}")
