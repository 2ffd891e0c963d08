"""The console by roles, as the hub's scopes give them: of a group, to read all, and none."""

import re
from collections.abc import Iterator

import pytest
import yaml
from playwright.sync_api import Error as BrowserError
from playwright.sync_api import Page, Request, Response, expect

from tests.support.browser import OUTPUT, Visitor
from tests.support.browser_console import (
    SERVICE,
    card,
    faults_found_by_axe,
    fits_in_width,
    open_console,
    unfold,
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
  - {name: small, title: Small, memory: 10 GiB, compute: 0.25}
groups:
  vision:
    guaranteed: {H100: 1/2}
    limit: {cards: 2}
    each: {limit: {cards: 1}}
    groups:
      robots: {members: [robots], limit: {cards: 1/2}}   # note-canary
      maps: {members: [maps]}
  speech: {limit: {cards: 1/4}}
  law-canary: {guaranteed: {H100: 1/4}, limit: {cards: 1}}
exceptions:
  - {who: [cleo-canary], set: {limit: {cards: 2}}, why: why-canary}
"""
GROUPS = {
    "vision": ("bea",),
    "robots": ("ada",),
    "maps": ("dan",),
    "speech": ("gil",),
    "law-canary": ("cleo-canary",),
}
ROLES = """
from sublet_spawner.hub_configuration import ACCESS_SERVICE, READER_SCOPES

_of = "custom:sublet:quota!group="
c.JupyterHub.load_roles += [
    {"name": "lead", "scopes": [ACCESS_SERVICE, f"{_of}vision", f"{_of}speech"], "users": ["bea"]},
    {"name": "reader", "scopes": list(READER_SCOPES), "users": ["rita"]},
]
"""
OF_ADMINS = ("gpus", "quota", "evictions", "closings", "announcements", "use/limits", "waits?all")
_PASTE = """\
text => {
  const data = new DataTransfer();
  data.setData('text/plain', text);
  document.querySelector('.cm-content').dispatchEvent(
    new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true })
  );
}"""
TALL = {"width": 1400, "height": 1000}
NARROW = {"width": 360, "height": 800}


@pytest.fixture(scope="module")
def hub() -> Iterator[BrowserMachine]:
    """A machine whose hub has a lead of two groups and a reader."""
    with browser_machine(QUOTA, GROUPS, speed=40, quota_source="database") as running:
        running.call("POST", "/hub/api/users/rita")
        running.configure_hub(ROLES)
        running.start_server("ada", "small")
        running.start_server("cleo-canary", "small")
        yield running
        running.keep_logs(OUTPUT / "logs-roles")


class Heard:
    """What a page asks of the service, and is answered."""

    def __init__(self, page: Page) -> None:
        self.asked: list[str] = []
        self._answers: list[Response] = []
        page.on("request", self._ask)
        page.on("response", lambda answer: self._answers.append(answer))  # noqa: PLW0108 - it is given attributes

    def _ask(self, request: Request) -> None:
        _, found, path = request.url.partition(f"{SERVICE}api/")
        if found:
            self.asked.append(f"{request.method} {path}")

    def bodies(self) -> Iterator[tuple[str, str]]:
        """Go through all answers but the stream's, which ends with the page."""
        for each in self._answers:
            if "/api/changes" in each.url or SERVICE not in each.url:
                continue
            try:
                yield each.url, each.text()
            except BrowserError:
                # It led elsewhere, or was given up.
                continue


@pytest.fixture
def lead(visit, hub) -> Visitor:
    """Whoever administers vision and speech, on the part of the first of them."""
    visitor = visit("bea", viewport=TALL)
    open_console(visitor, hub.settings.password, "view/quotas?of-group=vision")
    expect(mark(visitor.page, "source")).to_contain_text("the group vision and all below it")
    return visitor


def in_force(hub: BrowserMachine) -> str:
    return str(hub.call("GET", f"{SERVICE}api/quota").json()["text"])


def apply_as_admin(hub: BrowserMachine, text: str) -> None:
    now = hub.call("GET", f"{SERVICE}api/quota").json()["revision"]
    body = {"text": text, "reason": "reason-canary", "expect": now}
    hub.call("POST", f"{SERVICE}api/quota/revisions", body)


def write(page: Page, text: str) -> None:
    page.get_by_role("textbox", name="The document").click()
    page.keyboard.press("Control+a")
    page.evaluate(_PASTE, text)
    expect(mark(page, "check")).to_have_attribute("data-sublet-now", "true")


def part_with(robots: str) -> str:
    """The part of vision, with robots as said."""
    return f"""\
groups:
  vision:
    guaranteed: {{H100: 1/2}}
    limit: {{cards: 2}}
    each: {{limit: {{cards: 1}}}}
    groups:
      robots: {{members: [robots], {robots}}}
      maps: {{members: [maps]}}
"""


def apply(page: Page, reason: str) -> None:
    page.get_by_role("button", name="Apply…").click()
    dialog = mark(page, "apply-dialog")
    dialog.get_by_label("Why").fill(reason)
    dialog.get_by_role("button", name="Apply").click()
    expect(mark(page, "applied")).to_contain_text("is in force")


def test_an_admin_of_a_group_sets_what_is_below_it_within_what_it_has(lead, hub):
    page = lead.page
    assert page.get_by_role("navigation", name="Views").get_by_role("link").all_inner_texts() == [
        "My share",
        "Who waits for whom",
        "Use",
        "Quotas",
        "Notices",
    ]
    expect(mark(page, "group", group="robots")).to_contain_text("1 slice")
    expect(mark(page, "group")).to_have_count(3)
    assert faults_found_by_axe(page) == []
    mark(page, "part-document").click()
    write(page, part_with("limit: {cards: 1}"))
    expect(mark(page, "problem")).to_have_count(0)
    page.get_by_role("button", name="Preview").click()
    expect(mark(page, "preview")).to_contain_text("slices or jobs of these groups now")
    # Past days are of everybody.
    expect(mark(page, "past")).to_have_count(0)
    # What an admin changes elsewhere meanwhile stands in nobody's way, and is seen by nobody.
    apply_as_admin(hub, in_force(hub).replace("law-canary: {", "law-canary: {weight: 2, "))
    apply(page, "a robot more")
    groups = yaml.safe_load(in_force(hub))["groups"]
    assert groups["vision"]["groups"]["robots"]["limit"] == {"cards": 1}
    assert groups["law-canary"]["weight"] == 2
    mark(page, "part-history").click()
    expect(mark(page, "revision")).to_have_count(1)
    expect(mark(page, "revision")).to_contain_text("a robot more")
    expect(page.get_by_role("button", name=re.compile("Roll back"))).to_have_count(0)


def test_an_admin_of_a_group_is_refused_what_is_beyond_it_at_its_place(lead, hub):
    page = lead.page
    before = in_force(hub)
    mark(page, "part-document").click()
    for robots, words in (
        ("each: {limit: {cards: 3}}", "the members would have more than vision has"),
        ("guaranteed: {H100: 2}", "less than the groups in it together"),
        ("limit: {cards: many}", "is no limit of cards"),
    ):
        write(page, part_with(robots))
        expect(mark(page, "problem").first).to_contain_text(words)
        expect(page.get_by_role("button", name="Apply…")).to_be_disabled()
        expect(mark(page, "applied")).to_contain_text("mend that")
        if "members" in words:
            page.evaluate("() => window.scrollTo(0, 0)")
            lead.photograph("console-group-refused")
    write(page, part_with("limit: {cards: 1}").replace("cards: 2", "cards: 9"))
    expect(mark(page, "problem").first).to_contain_text("Line 4, column 13")
    expect(mark(page, "problem").first).to_contain_text("only what is below it is yours to set")
    assert faults_found_by_axe(page) == []
    page.get_by_role("button", name="Drop my changes").click()
    assert in_force(hub) == before


def test_an_admin_of_a_group_sets_limits_by_forms_and_finds_them_in_calendar_and_history(lead, hub):
    page = lead.page
    heard = Heard(page)
    mark(page, "part-document").click()
    forms = mark(page, "forms")
    mark(page, "form-kind").select_option("each")
    forms.get_by_label("Group").fill("robots")
    forms.get_by_label("At most").fill("1/2")
    forms.get_by_role("button", name="Write it into the document").click()
    mark(page, "form-kind").select_option("exception")
    expect(forms.get_by_label("People")).to_have_count(0)
    forms.get_by_label("Groups").fill("maps")
    forms.get_by_label("At most").fill("3")
    forms.get_by_role("combobox", name="of", exact=True).select_option("limit.slices")
    forms.get_by_role("button", name="For a week").click()
    forms.get_by_label(re.compile("^Why")).fill("a survey")
    forms.get_by_role("button", name="Write it into the document").click()
    expect(mark(page, "check")).to_contain_text("It could be in force.")
    page.get_by_role("button", name="Preview").click()
    follows = mark(page, "follows-rights")
    expect(follows).to_contain_text("limit of cards: 1 card → 0.5 cards (1 person: ada)")
    assert faults_found_by_axe(page) == []
    page.evaluate("() => window.scrollTo(0, 0)")
    lead.photograph("console-group")
    apply(page, "a survey of maps")

    vision = yaml.safe_load(in_force(hub))["groups"]["vision"]["groups"]
    assert vision["robots"]["each"] == {"limit": {"cards": "1/2"}}
    (excepted,) = [each for each in yaml.safe_load(in_force(hub))["exceptions"] if "groups" in each]
    end = str(excepted["until"])
    mark(page, "part-calendar").click()
    expect(mark(page, "exceptions")).to_contain_text("a survey")
    page.goto(f"{SERVICE}view/quotas?part=calendar&month={end[:7]}&of-group=vision")
    expect(mark(page, "calendar").get_by_role("button")).to_have_text(["ends: maps"])
    mark(page, "part-history").click()
    made = mark(page, "revision").first
    expect(made).to_contain_text("by bea")
    expect(made).to_contain_text("a survey of maps")
    made.get_by_role("button", name="What was changed").click()
    for line in ("each:", "cards: 1/2", "- maps", "slices: 3", "why: a survey"):
        expect(mark(made, "difference")).to_contain_text(line)
    told = dict(heard.bodies())
    assert any("quota/revisions/" in url for url in told)
    assert [url for url, body in told.items() if "canary" in body] == []
    assert "canary" not in page.content()


def test_nothing_of_another_group_comes_to_the_page_of_an_admin_of_a_group(lead):
    page = lead.page
    heard = Heard(page)
    page.reload()
    expect(mark(page, "group", group="robots")).to_be_visible()
    shown = [page.content()]
    for part in ("held", "document", "history", "calendar", "tree"):
        mark(page, f"part-{part}").click()
        if part == "held":
            expect(mark(page, "group-slices-table")).to_contain_text("ada")
        expect(mark(page, "source")).to_be_visible()
        shown.append(page.content())
    choice = mark(page, "group-choice").get_by_label("Of")
    choice.select_option("speech")
    expect(mark(page, "group")).to_have_count(1)
    assert "of-group=speech" in page.url
    choice.select_option("vision")
    for view, sign in (
        ("Use", "use-times"),
        ("Who waits for whom", "found"),
        ("My share", "slices"),
    ):
        page.get_by_role("link", name=view).click()
        assert "of-group=vision" in page.url
        expect(mark(page, sign)).to_be_visible()
        shown.append(page.content())
    told = dict(heard.bodies())
    page.set_viewport_size(NARROW)
    for part in ("tree", "held", "document", "history", "calendar"):
        page.goto(f"{SERVICE}view/quotas?part={part}&of-group=vision")
        expect(mark(page, "source")).to_be_visible()
        assert fits_in_width(page), part
    page.set_viewport_size(TALL)
    assert any("use?" in url and "group=vision" in url for url in told)
    assert any("waits?group=vision" in url for url in told)
    assert any("quota/tree?group=speech" in url for url in told)
    assert [url for url, body in told.items() if "canary" in body] == []
    assert not any("canary" in each for each in shown)


def test_an_admin_of_a_group_tells_it_something_and_others_nothing(lead, visit, hub):
    page = lead.page
    page.get_by_role("link", name="Notices").click()
    page.get_by_role("button", name="Write a notice…").click()
    dialog = mark(page, "notice-dialog")
    expect(dialog.get_by_role("combobox", name="To").locator("option")).to_have_text(
        ["a group, with all below it", "one user"]
    )
    assert faults_found_by_axe(page) == []
    dialog.get_by_label("What is told").fill("<b>tidy up</b>")
    for name in ("law-canary", "no-such-group"):
        dialog.get_by_label("Name").fill(name)
        dialog.get_by_role("button", name="Tell").click()
        expect(dialog.get_by_role("alert")).to_contain_text("to nobody else")
        lead.expect_complaint("403")
    dialog.get_by_label("Name").fill("robots")
    dialog.get_by_role("button", name="Tell").click()
    expect(mark(page, "notice")).to_contain_text("To group robots")
    expect(mark(page, "notice")).to_contain_text("by bea, admin of vision")
    ada = open_console(visit("ada", viewport=TALL), hub.settings.password, "view/share")
    expect(mark(ada, "announcement")).to_contain_text("bea, admin of vision: <b>tidy up</b>")
    page.get_by_role("button", name="Take back").click()
    expect(mark(page, "notice")).to_have_count(0)
    expect(mark(ada, "announcement")).to_have_count(0)


def test_who_but_reads_sees_all_and_has_nothing_to_change_it_by(visit, hub):
    visitor = visit("rita", viewport=TALL)
    page = open_console(visitor, hub.settings.password, "view/cards")
    expect(mark(page, "reads-only")).to_have_count(1)
    assert page.get_by_role("navigation", name="Views").get_by_role("link").all_inner_texts() == [
        "Cards",
        "My share",
        "Who waits for whom",
        "Use",
        "Quotas",
        "Notices",
    ]
    table = unfold(card(page).first)
    expect(table).to_contain_text("cleo-canary")
    expect(page.get_by_role("checkbox", name=re.compile("Choose"))).to_have_count(0)
    for deed in ("Drain…", "Close…", "Open…", "Give back now", "Evict…"):
        expect(page.get_by_role("button", name=deed)).to_have_count(0)
    assert faults_found_by_axe(page) == []
    visitor.photograph("console-reader")
    page.get_by_role("link", name="Quotas").click()
    expect(mark(page, "group", group="law-canary")).to_be_visible()
    mark(page, "part-document").click()
    expect(mark(page, "forms")).to_have_count(0)
    write(page, QUOTA.replace("limit: {cards: 2}", "limit: {cards: 1}"))
    page.get_by_role("button", name="Preview").click()
    expect(mark(page, "preview")).to_contain_text("Compared with revision")
    expect(mark(page, "past")).to_be_visible()
    expect(page.get_by_role("button", name="Apply…")).to_have_count(0)
    page.get_by_role("button", name="Drop my changes").click()
    mark(page, "part-history").click()
    expect(mark(page, "revision").first).to_be_visible()
    expect(page.get_by_role("button", name=re.compile("Roll back"))).to_have_count(0)
    page.get_by_role("link", name="Use").click()
    expect(mark(page, "use-limits")).to_be_visible()


def test_a_user_who_types_an_admins_address_is_told_so_and_nothing_is_asked(visit, hub):
    visitor = visit("finn", viewport=NARROW)
    page = open_console(visitor, hub.settings.password)
    heard = Heard(page)
    for view in ("cards", "quotas", "quotas?part=document&of-group=vision"):
        page.goto(f"{SERVICE}view/{view}")
        expect(mark(page, "no-view")).to_contain_text("This view is for admins")
        # What a page asks for at once, whatever it shows, has been answered by then.
        page.get_by_role("link", name="My share").click()
        expect(mark(page, "slices")).to_be_visible()
    assert heard.asked
    asked = {each.partition(" ")[2] for each in heard.asked}
    assert [each for each in asked if each.startswith(OF_ADMINS)] == []
    page.goto(f"{SERVICE}view/cards")
    expect(mark(page, "no-view")).to_be_visible()
    assert faults_found_by_axe(page) == []
    assert fits_in_width(page)
