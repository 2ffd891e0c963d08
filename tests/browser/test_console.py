"""The console: an admin's look and deeds, a user's own part, and a page of another tenant's."""

import re

import pytest
from playwright.sync_api import expect

from tests.support.browser_console import (
    COMPUTE,
    FILL,
    NARROW,
    SERVICE,
    card,
    faults_found_by_axe,
    fits_in_width,
    open_console,
    unfold,
)
from tests.support.browser_lab import put_notebook
from tests.support.browser_machine import returns_of, until
from tests.support.browser_panel import mark

pytestmark = [
    pytest.mark.end_to_end,
]

TALL = {"width": 1280, "height": 1000}
_HIDE = """\
hidden => {
  Object.defineProperty(document, 'hidden', { configurable: true, get: () => hidden });
  document.dispatchEvent(new Event('visibilitychange'));
}"""
EVES_PAGE = "/user/eve/page.html"
_EVES_DEEDS = """\
async service => {
  const ask = async (path, options) => {
    try {
      const answer = await fetch(service + path, { credentials: 'include', ...options });
      return [answer.status, await answer.text()];
    } catch (error) {
      return [0, String(error)];
    }
  };
  const off = { method: 'PUT', body: '{"lending": false}' };
  const told = { page: await ask(''), cards: await ask('api/gpus') };
  told.bare = await ask('api/lending', off);
  document.cookie = `_xsrf=eves; path=${service}`;
  told.forged = await ask('api/lending', { ...off, headers: { 'X-XSRFToken': 'eves' } });
  document.cookie = `_xsrf=; path=${service}; max-age=0`;
  told.cookies = document.cookie;
  const frame = document.createElement('iframe');
  frame.src = service;
  await new Promise(done => { frame.onload = done; document.body.append(frame); });
  try {
    told.framed = frame.contentDocument?.querySelector('meta[name="sublet-session"]') != null;
  } catch {
    told.framed = false;
  }
  return told;
}"""
_OPENS = "service => { window.opened = window.open(service); }"
_REACHES = """\
() => {
  try {
    return window.opened.document.querySelector('meta[name="sublet-session"]') != null;
  } catch {
    return false;
  }
}"""


@pytest.fixture
def admin(visit, hub):
    visitor = visit("admin", viewport=TALL)
    open_console(visitor, hub.settings.admin_password)
    return visitor


@pytest.fixture
def held(hub):
    """Two people hold something of the one card."""
    hub.start_server("ada", "large")
    hub.start_server("eva", "small")
    return hub


def test_an_admin_sees_who_holds_a_card_and_drains_and_opens_it(admin, held):
    page = admin.page
    expect(mark(page, "one-origin")).to_contain_text("subdomain_host")
    one = card(page)
    expect(one).to_have_count(1)
    expect(mark(page, "holders")).to_contain_text("ada")
    for owner in ("ada", "eva"):
        expect(mark(one, "segment", owner=owner)).to_be_visible()
    table = unfold(one)
    expect(mark(table, "slice", owner="ada")).to_contain_text("40 GiB")
    expect(mark(table, "slice", owner="eva")).to_contain_text("10 GiB")
    evas_share = mark(mark(table, "slice", owner="eva"), "compute-kept")
    expect(evas_share).to_have_text("Compute share: not needed now")
    widths = {
        owner: mark(one, "segment", owner=owner).bounding_box()["width"] for owner in ("ada", "eva")
    }
    assert widths["ada"] == pytest.approx(4 * widths["eva"], rel=0.05)

    one.get_by_role("checkbox", name=re.compile("Choose the card")).check()
    page.get_by_role("button", name="Drain…").click()
    dialog = mark(page, "drain-dialog")
    expect(dialog).to_be_visible()
    assert faults_found_by_axe(page) == []
    dialog.get_by_label("Why").fill("a fan is loud")
    admin.photograph("console-drain")
    dialog.get_by_role("button", name="Drain").click()
    expect(dialog).to_have_count(0)
    expect(mark(page, "outcome")).to_contain_text("Done: 1")
    # By the stream: nothing on the page asks for it.
    expect(one).to_have_attribute("data-sublet-health", "closed")
    expect(mark(one, "reason").first).to_have_text("Drained by admin: a fan is loud")
    (closing,) = held.call("GET", f"{SERVICE}api/closings").json()
    assert (closing["drains"], closing["closed_by"]) == (True, "admin")

    one.get_by_role("checkbox", name=re.compile("Choose the card")).check()
    page.get_by_role("button", name="Open…").click()
    mark(page, "open-dialog").get_by_role("button", name="Open").click()
    expect(one).to_have_attribute("data-sublet-health", re.compile("open|pause-only"))
    assert held.call("GET", f"{SERVICE}api/closings").json() == []


def test_an_admin_sees_what_is_lent_to_which_job_and_has_it_given_back(admin, held):
    held.run_cells("ada", FILL.format(gib=30))
    held.run_cells("eva", FILL.format(gib=6))
    put_notebook(held.home("eva") / "train.ipynb", FILL.format(gib=50), COMPUTE)
    job = held.submit("eva", notebook="train.ipynb", memory_mib=52 * 1024)
    until(lambda: held.job(job)["cells_done"], "the job to run on what is lent")
    page = admin.page
    one = card(page)
    table = unfold(one)
    owners = mark(table, "slice", owner="ada")
    expect(owners).to_have_attribute("data-sublet-where", "suspended")
    expect(owners).to_contain_text("a job of eva")
    expect(mark(one, "segment", owner="ada")).to_have_class(re.compile("is-suspended.*is-lent"))
    expect(mark(table, "slice", owner="eva", job="true", computes="true")).to_be_visible()
    expect(mark(page, "holders")).to_contain_text("1 lent")
    admin.photograph("console-cards")
    before = returns_of(held, "ada")
    owners.get_by_role("checkbox").check()
    page.get_by_role("button", name="Give back now").click()
    expect(mark(page, "outcome")).to_contain_text("Done: 1")
    until(lambda: returns_of(held, "ada") > before, "what was lent to come back")
    held.call("POST", f"{SERVICE}api/jobs/{job}/cancel", {})


def test_an_admin_finds_what_is_looked_for_and_sends_the_address_to_others(admin, held):
    page = admin.page
    expect(card(page)).to_have_count(1)
    mark(page, "search").fill("nobody-of-this-name")
    expect(card(page)).to_have_count(0)
    expect(mark(page, "found")).to_have_text("0 of 1 cards")
    mark(page, "search").fill("eva")
    expect(card(page)).to_have_count(1)
    assert "q=eva" in page.url
    page.reload()
    expect(mark(page, "search")).to_have_value("eva")
    expect(card(page)).to_have_count(1)
    held.slice_of("eva")


def test_an_admin_evicts_with_a_notice_that_its_owner_reads(admin, visit, held):
    page = admin.page
    table = unfold(card(page))
    mark(table, "slice", owner="eva", job="false").get_by_role("checkbox").check()
    page.get_by_role("button", name="Evict…").click()
    dialog = mark(page, "evict-dialog")
    dialog.get_by_label("Why").fill("the room is needed at noon")
    dialog.get_by_label("Minutes").fill("60")
    dialog.get_by_role("button", name="Evict").click()
    expect(mark(page, "outcome")).to_contain_text("Done: 1")

    eva = visit("eva", viewport=TALL)
    open_console(eva, held.settings.password)
    ahead = mark(eva.page, "ahead-row", kind="server-evicted")
    expect(ahead).to_contain_text("By admin: the room is needed at noon.")
    expect(mark(eva.page, "announcement")).to_have_count(0)
    expect(mark(eva.page, "my-slice")).to_have_count(1)
    expect(mark(eva.page, "compute-kept")).to_have_text("Compute share: not needed now")
    expect(mark(eva.page, "cap-kept-by")).to_contain_text("Memory cap kept by")
    expect(mark(eva.page, "quota")).to_contain_text("60 GiB")
    mark(eva.page, "quota").locator("summary").first.click()
    expect(mark(eva.page, "rights").first).to_contain_text("line")
    eva.photograph("console-share")


def test_quotas_that_come_from_a_file_are_read_only_and_say_from_where(admin, hub):
    page = admin.page
    page.goto(f"{SERVICE}view/quotas?part=document")
    expect(mark(page, "source")).to_contain_text(str(hub.places.quota_file))
    expect(mark(page, "source")).to_contain_text("read-only here")
    editor = page.get_by_role("textbox", name="The document, read-only")
    expect(editor).to_contain_text("vision:")
    editor.click()
    page.keyboard.press("Control+Home")
    page.keyboard.insert_text("# mine")
    expect(editor).not_to_contain_text("# mine")
    for name in ("Preview", "Apply…", "Write it into the document"):
        expect(page.get_by_role("button", name=name)).to_have_count(0)
    mark(page, "part-history").click()
    expect(page.get_by_role("main")).to_contain_text("There is no history here")


def test_a_plain_user_has_no_cards_and_what_they_try_is_refused(visit, held):
    eva = visit("eva", viewport=TALL)
    page = open_console(eva, held.settings.password)
    expect(page.get_by_role("navigation").get_by_role("link")).to_have_text(
        ["My share", "Who waits for whom", "Use"]
    )
    eva.expect_complaint("403")
    page.goto(f"{SERVICE}view/cards")
    expect(page.get_by_role("main")).to_contain_text("This view is for admins, and for who")
    statuses = page.evaluate(
        """async service => {
          const xsrf = /_xsrf=([^;]+)/.exec(document.cookie)[1];
          const headers = { 'X-XSRFToken': xsrf, 'Content-Type': 'application/json' };
          const ask = (method, path, body) =>
            fetch(`${service}api/${path}`, { method, headers, body }).then(each => each.status);
          return [
            await ask('GET', 'share'),
            await ask('GET', 'gpus'),
            await ask('PUT', 'lending', '{"lending": false}'),
            await ask('POST', 'closings', '{"where": "x", "reason": "mine"}')
          ];
        }""",
        SERVICE,
    )
    assert statuses == [200, 403, 403, 403]


def test_another_tenants_page_that_an_admin_opens_neither_reads_nor_changes_anything(admin, held):
    """It has the hub's origin, as where there is no subdomain_host, and eve's server answers it."""
    admin.expect_complaint(".")
    evil = admin.context.new_page()
    try:
        evil.route(
            f"**{EVES_PAGE}",
            lambda route: route.fulfill(content_type="text/html", body="<body>a notebook</body>"),
        )
        evil.goto(EVES_PAGE)
        told = evil.evaluate(_EVES_DEEDS, SERVICE)
        with admin.context.expect_page() as opened:
            evil.evaluate(_OPENS, SERVICE)
        # The console is there, for the admin.
        expect(mark(opened.value, "who")).to_have_text("admin")
        assert not evil.evaluate(_REACHES)
    finally:
        evil.close()
    refused = {name: told[name][0] for name in ("page", "cards", "bare", "forged")}
    assert refused == dict.fromkeys(refused, 403)
    assert "ada" not in "".join(told[name][1] for name in refused)
    # Those of its own path alone.
    assert "service-sublet" not in told["cookies"]
    assert not told["framed"]
    assert held.call("GET", f"{SERVICE}api/lending").json()["lending"]
    for other in admin.context.pages:
        if other is not admin.page:
            other.close()


def test_the_address_leads_to_the_page_also_without_the_slash_at_its_end(admin):
    page = admin.page
    page.goto(SERVICE.removesuffix("/"))
    expect(mark(page, "who")).to_have_text("admin")
    assert page.url.endswith(SERVICE)


def test_a_hidden_page_follows_nothing_and_one_in_sight_does_at_once(admin, held):
    page = admin.page
    expect(card(page)).to_have_count(1)
    with page.expect_event("requestfailed", lambda request: request.url.endswith("/api/changes")):
        page.evaluate(_HIDE, True)
    with page.expect_request(re.compile("/api/changes$")):
        page.evaluate(_HIDE, False)
    expect(mark(page, "lost")).to_have_count(0)
    held.slice_of("ada")


def test_all_is_reached_by_keyboard_named_and_legible_in_light_and_dark(admin, held):
    page = admin.page
    held.slice_of("ada")
    unfold(card(page))
    for theme in ("light", "dark"):
        page.get_by_label("Colours").select_option(theme)
        expect(page.locator("html")).to_have_attribute("data-bs-theme", theme)
        assert faults_found_by_axe(page) == []
        admin.photograph(f"console-cards-{theme}")
    page.get_by_role("link", name="My share").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("My share")
    assert page.url.endswith("/view/share")
    assert page.evaluate("() => document.activeElement.id") == "main"
    assert faults_found_by_axe(page) == []
    page.get_by_label("Colours").select_option("auto")
    page.go_back()
    expect(page.get_by_role("heading", level=1)).to_have_text("Cards")


def test_on_a_phone_nothing_is_beyond_the_edge(visit, held):
    admin = visit("admin", viewport=NARROW)
    page = open_console(admin, held.settings.admin_password)
    unfold(card(page))
    assert fits_in_width(page)
    admin.photograph("console-narrow")
    page.goto(f"{SERVICE}view/share")
    expect(mark(page, "quota")).to_be_visible()
    assert fits_in_width(page)
    assert faults_found_by_axe(page) == []
