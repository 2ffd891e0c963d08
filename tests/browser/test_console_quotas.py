"""Quotas on the console, kept in the database: written, previewed, applied, and taken back."""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pytest
from playwright.sync_api import Dialog, Locator, Page, expect

from tests.support.browser import OUTPUT, Visitor
from tests.support.browser_console import (
    SERVICE,
    faults_found_by_axe,
    fits_in_width,
    open_console,
)
from tests.support.browser_machine import BrowserMachine, browser_machine
from tests.support.browser_panel import mark

pytestmark = [
    pytest.mark.end_to_end,
]

QUOTA = """\
# Who may have how much.
gpu_types:
  H100: {match: "*H100*"}   # all that there is
sizes:
  - {name: small, title: Small, memory: 10 GiB, compute: 0.25}
  - {name: large, title: Large, memory: 40 GiB, compute: 0.5}
everyone:
  limit: {cards: 1}
groups:
  vision:
    guaranteed: {H100: 0.25}
    limit: {H100: 1}
  speech: {members: [speech]}
reservations:
  - {name: Monday's lab, for: speech, guaranteed: {H100: 1/4}, at: "Mon 14:00-16:00", zone: UTC}
"""
_PASTE = """\
text => {
  const data = new DataTransfer();
  data.setData('text/plain', text);
  document.querySelector('.cm-content').dispatchEvent(
    new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true })
  );
}"""
PAST = "/api/quota/preview/history"
TALL = {"width": 1400, "height": 1200}
WIDE = {"width": 1600, "height": 1000}
NARROW = {"width": 360, "height": 800}


@pytest.fixture(scope="module")
def hub() -> Iterator[BrowserMachine]:
    """A machine whose quotas are in the database."""
    with browser_machine(QUOTA, speed=40, quota_source="database") as running:
        yield running
        running.keep_logs(OUTPUT / "logs-quotas")


@pytest.fixture
def admin(visit, hub) -> Visitor:
    """The first admin, who looks at the document as the file had it."""
    put_back(hub)
    visitor = visit("admin", viewport=TALL)
    open_quotas(visitor, hub.settings.admin_password)
    return visitor


def put_back(hub: BrowserMachine) -> None:
    told = hub.call("GET", f"{SERVICE}api/quota").json()
    if told["text"] != QUOTA:
        apply_as_another(hub, QUOTA, "as at first")


def apply_as_another(hub: BrowserMachine, text: str, reason: str) -> int:
    """Put a document in force as from a command line; return its revision."""
    now = hub.call("GET", f"{SERVICE}api/quota").json()["revision"]
    body = {"text": text, "reason": reason, "expect": now}
    applied = hub.call("POST", f"{SERVICE}api/quota/revisions", body).json()
    return int(applied["about"]["revision"])


def open_quotas(visitor: Visitor, password: str, part: str = "document") -> Page:
    page = open_console(visitor, password, f"view/quotas?part={part}")
    expect(mark(page, "source")).to_contain_text("kept in the service")
    return page


def editor(page: Page) -> Locator:
    return page.get_by_role("textbox", name="The document")


def write(page: Page, text: str) -> None:
    """Put a text into the editor in place of what is there, and wait for what is said of it."""
    editor(page).click()
    page.keyboard.press("Control+a")
    page.evaluate(_PASTE, text)
    until_checked(page)


def until_checked(page: Page) -> None:
    expect(mark(page, "check")).to_have_attribute("data-sublet-now", "true")


def apply(page: Page, reason: str) -> None:
    """Preview what is written, and put it in force."""
    page.get_by_role("button", name="Preview").click()
    expect(mark(page, "preview")).to_contain_text("Compared with revision")
    page.get_by_role("button", name="Apply…").click()
    dialog = mark(page, "apply-dialog")
    dialog.get_by_label("Why").fill(reason)
    dialog.get_by_role("button", name="Apply").click()


def limit_of(hub: BrowserMachine, person: str) -> str:
    told = hub.call("GET", f"{SERVICE}api/quota/rights?owner={person}").json()
    return next(each["value"] for each in told["rights"] if each["right"] == "limit of cards")


def test_each_group_shows_what_it_holds_and_leads_to_its_line(admin, hub):
    hub.start_server("ada", "large")
    page = admin.page
    mark(page, "part-tree").click()
    vision = mark(page, "group", group="vision")
    expect(vision).to_contain_text("of at most 1 card, 0.25 guaranteed")
    mark(page, "search-groups").fill("speech")
    expect(vision).to_have_count(0)
    mark(page, "search-groups").fill("")
    assert faults_found_by_axe(page) == []
    vision.get_by_role("button", name="line 10").click()
    expect(page.locator(".cm-activeLine")).to_contain_text("vision:")


def test_a_limit_is_raised_for_a_week_by_a_form_that_keeps_the_comments(admin, hub):
    page = admin.page
    forms = mark(page, "forms")
    forms.get_by_label("People").fill("dora\neva, finn")
    expect(forms).to_contain_text("3 people")
    forms.get_by_label("At most").fill("2")
    forms.get_by_role("button", name="For a week").click()
    forms.get_by_label(re.compile("^Why")).fill("a deadline")
    forms.get_by_role("button", name="Write it into the document").click()
    expect(editor(page)).to_contain_text("who: [dora, eva, finn]")
    expect(editor(page)).to_contain_text("# all that there is")
    until_checked(page)
    page.get_by_role("button", name="Preview").click()
    expect(mark(page, "preview")).to_contain_text("Compared with revision")
    assert faults_found_by_axe(page) == []
    admin.photograph("console-quotas")
    apply(page, "three with a deadline")
    expect(mark(page, "applied")).to_contain_text("is in force")
    assert limit_of(hub, "dora").startswith("2 cards (until ")
    text = hub.call("GET", f"{SERVICE}api/quota").json()["text"]
    assert text.startswith(QUOTA)
    end = (date.today() + timedelta(days=7)).isoformat()  # noqa: DTZ011 - this browser's day
    assert f"until: {end}" in text
    mark(page, "part-calendar").click()
    expect(mark(page, "exceptions")).to_contain_text("dora, eva, finn")
    expect(mark(page, "calendar")).to_contain_text("Monday's lab")
    assert faults_found_by_axe(page) == []
    admin.photograph("console-quotas-calendar")


def test_what_is_wrong_is_told_at_its_place_while_it_is_written(admin):
    page = admin.page
    write(page, QUOTA.replace("limit: {cards: 1}", "limit: {cards: many}"))
    problem = mark(page, "problem")
    expect(problem).to_contain_text("Line 8, column 11: everyone.limit.cards")
    expect(page.locator(".cm-lintRange-error")).to_have_text("cards")
    expect(page.get_by_role("button", name="Preview")).to_be_disabled()
    problem.click()
    expect(page.locator(".cm-activeLine")).to_contain_text("many")
    assert faults_found_by_axe(page) == []
    write(page, QUOTA.replace("vision:\n", "vision: {\n"))
    expect(mark(page, "problem").first).to_contain_text("is no YAML")
    write(page, QUOTA)
    expect(mark(page, "problem")).to_have_count(0)


def test_keys_are_proposed_by_the_schema(admin):
    page = admin.page
    write(page, "notebooks:\n  ")
    page.keyboard.type("when")
    # By the mouse: a key pressed as soon as the list is there is still meant for the text.
    page.get_by_role("listbox").get_by_role("option", name=re.compile("^when_full")).click()
    expect(editor(page)).to_contain_text("when_full:")
    page.get_by_role("button", name="Drop my changes").click()
    expect(editor(page)).to_contain_text("vision:")


def test_the_preview_tells_which_guarantee_breaks_and_who_would_be_over(admin, hub):
    hub.start_server("ada", "large")
    page = admin.page
    write(
        page,
        QUOTA.replace("limit: {H100: 1}", "limit: {H100: 4}")
        .replace("guaranteed: {H100: 0.25}", "guaranteed: {H100: 3}")
        .replace("limit: {cards: 1}", "limit: {cards: 1/4}"),
    )
    page.get_by_role("button", name="Preview").click()
    expect(mark(page, "follows-unmet")).to_contain_text("H100")
    expect(mark(page, "follows-beyond")).to_contain_text("ada: 0.5")
    admin.photograph("console-quotas-preview")
    # Nothing of it has happened.
    assert hub.call("GET", f"{SERVICE}api/quota").json()["text"] == QUOTA
    page.get_by_role("button", name="Drop my changes").click()


def test_past_days_happen_again_under_the_draft(admin, hub):
    hub.start_server("ada", "large")
    page = admin.page
    write(page, QUOTA.replace("limit: {cards: 1}", "limit: {cards: 1/4}"))
    page.get_by_role("button", name="Preview").click()
    past = mark(page, "past")
    # It is given up while nothing has come of it.
    page.route(f"**{PAST}", lambda _: None)
    past.get_by_role("button", name="Over the last 7 days").click()
    expect(mark(past, "past-progress")).to_contain_text("Asking")
    past.get_by_role("button", name="Cancel").click()
    expect(mark(past, "past-progress")).to_have_count(0)
    page.unroute(f"**{PAST}")

    past.get_by_label("Days").fill("3")
    past.get_by_role("button", name="Over the last 3 days").click()
    expect(mark(past, "past-days")).to_contain_text("less than 0.1 of 3 days")
    expect(mark(past, "past-truth")).to_contain_text("How true this is")
    expect(mark(past, "past-groups")).to_contain_text("vision")
    # What ada holds is more than the draft would let anybody have.
    expect(mark(past, "past-figures")).to_contain_text("servers refused")
    assert faults_found_by_axe(page) == []
    past.evaluate("part => part.scrollIntoView()")
    admin.photograph_part("console-past", past, mark(past, "past-figures"))
    with page.expect_download() as download:
        past.get_by_role("button", name="Download CSV").click()
    assert download.value.path().read_text().startswith("group,what,unit,in force,draft")
    # Of another text it tells nothing.
    write(page, QUOTA + "# mine\n")
    expect(mark(page, "past")).to_have_count(0)
    page.get_by_role("button", name="Drop my changes").click()


def test_a_limit_that_is_raised_for_somebody_is_shown_in_force_and_then_as_over(admin, visit, hub):
    dora = visit("dora", viewport=TALL)
    mine = mark(open_console(dora, hub.settings.password), "rights").first
    expect(mine).to_contain_text("limit of cards: 1 card")
    page = admin.page
    mark(page, "part-calendar").click()
    raised = mark(page, "exceptions").get_by_role("listitem").filter(has_text="a demonstration")

    def raise_till(end: datetime) -> None:
        exception = f"{{who: [dora], set: {{limit: {{cards: 2}}}}, until: {end:%Y-%m-%d %H:%M:%SZ}"
        text = f"{QUOTA}exceptions:\n  - {exception}, why: a demonstration}}\n"
        apply_as_another(hub, text, "for dora")

    raise_till(datetime.now(UTC) + timedelta(hours=1))
    expect(mine).to_contain_text("limit of cards: 2 cards (until ")
    expect(raised).to_contain_text("dora")
    expect(raised.get_by_text("over", exact=True)).to_have_count(0)
    # Its end comes nearer, and then by itself.
    raise_till(datetime.now(UTC) + timedelta(seconds=10))
    expect(raised.get_by_text("over", exact=True)).to_be_visible()
    expect(mine).to_contain_text("limit of cards: 1 card")
    assert limit_of(hub, "dora") == "1 card"


def test_what_was_written_is_kept_while_another_view_is_open_and_who_leaves_is_asked(admin):
    page = admin.page
    write(page, QUOTA + "# mine\n")
    page.get_by_role("link", name="Cards").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Cards")
    page.get_by_role("link", name="Quotas").click()
    mark(page, "part-document").click()
    expect(editor(page)).to_contain_text("# mine")
    asked: list[str] = []

    def leave(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.accept()

    page.once("dialog", leave)
    page.reload()
    assert asked == ["beforeunload"]
    expect(editor(page)).not_to_contain_text("# mine")


def test_a_revision_is_looked_up_and_taken_back_as_a_new_one(admin, hub):
    before = hub.call("GET", f"{SERVICE}api/quota").json()["revision"]
    bad = apply_as_another(hub, QUOTA.replace("{cards: 1}", "{cards: 3}"), "too much")
    page = admin.page
    mark(page, "part-history").click()
    made = mark(page, "revision", revision=str(bad))
    expect(made).to_contain_text("too much")
    expect(made).to_contain_text("by admin")
    made.get_by_role("button", name="What was changed").click()
    expect(mark(made, "difference")).to_contain_text("limit: {cards: 3}")
    admin.photograph("console-quotas-history")
    earlier = mark(page, "revision", revision=str(before))
    earlier.get_by_role("button", name=re.compile("Roll back")).click()
    dialog = mark(page, "roll-back-dialog")
    expect(mark(dialog, "preview")).to_contain_text(f"Compared with revision {bad}")
    assert faults_found_by_axe(page) == []
    dialog.get_by_label("Why").fill("it was too much")
    dialog.get_by_role("button", name="Roll back").click()
    expect(mark(page, "rolled-back")).to_contain_text(f"it says what revision {before} said")
    told = hub.call("GET", f"{SERVICE}api/quota").json()
    assert (told["revision"], told["text"]) == (bad + 1, QUOTA)
    newest = mark(page, "revision", revision=str(bad + 1))
    expect(newest).to_contain_text("in force")
    expect(newest).to_contain_text("it was too much")


def test_of_two_admins_the_second_is_shown_what_the_first_did_and_undoes_none_of_it(
    admin, visit, hub
):
    other = visit("admin", viewport=WIDE)
    others = open_quotas(other, hub.settings.admin_password)
    page = admin.page
    write(page, QUOTA.replace("{H100: 0.25}", "{H100: 0.5}"))
    write(others, QUOTA.replace("  limit: {cards: 1}", "  limit: {cards: 2}"))
    apply(others, "two for each")
    expect(mark(others, "applied")).to_contain_text("is in force")
    behind = mark(page, "behind")
    # By the stream: nothing on the page asks for it.
    expect(behind).to_contain_text("by admin: two for each")
    expect(mark(behind, "difference").first).to_contain_text("limit: {cards: 2}")
    expect(mark(behind, "difference").last).to_contain_text("guaranteed: {H100: 0.5}")
    expect(page.get_by_role("button", name="Apply…")).to_be_disabled()
    assert faults_found_by_axe(page) == []
    admin.photograph("console-quotas-behind")
    behind.get_by_role("button", name="Put mine onto it").click()
    until_checked(page)
    apply(page, "more for vision")
    expect(mark(page, "applied")).to_contain_text("is in force")
    text = hub.call("GET", f"{SERVICE}api/quota").json()["text"]
    assert "limit: {cards: 2}" in text
    assert "guaranteed: {H100: 0.5}" in text


def test_on_a_phone_nothing_is_beyond_the_edge(visit, hub):
    narrow = visit("admin", viewport=NARROW)
    page = open_quotas(narrow, hub.settings.admin_password)
    for part in ("document", "tree", "history", "calendar"):
        mark(page, f"part-{part}").click()
        expect(mark(page, f"part-{part}")).to_have_attribute("aria-current", "true")
        assert fits_in_width(page), part
    # A list of days, of which none lies beside what is in sight.
    today = mark(page, "calendar").locator("td.today")
    box = today.bounding_box()
    assert box is not None
    assert box["x"] + box["width"] <= NARROW["width"]
    assert faults_found_by_axe(page) == []
