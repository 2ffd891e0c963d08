"""How the extension behaves: settings, hidden tabs, the keyboard, and parts that are away."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.support.browser_lab import choose, command, enter_lab, open_lab, put_settings
from tests.support.browser_panel import mark, open_panel, status, until_standing

pytestmark = [
    pytest.mark.end_to_end,
]

_HIDE = """\
hidden => {
  Object.defineProperty(document, 'hidden', { configurable: true, get: () => hidden });
  document.dispatchEvent(new Event('visibilitychange'));
}"""
A_SECOND_MS = 1_000
A_MINUTE_MS = 60_000
TEN_MINUTES_MS = 600_000
OURS = re.compile("/sublet/api/")


@pytest.fixture
def eva(in_lab):
    return in_lab("eva")


def focused(page: Page) -> str | None:
    return page.evaluate("() => document.activeElement.dataset.sublet ?? null")


def test_all_of_the_panel_is_reached_by_keyboard_and_has_a_name(eva):
    page = eva.page
    enter_lab(eva)
    until_standing(eva, "idle")
    command(page, "Show My Share of the GPUs")
    panel = mark(page, "panel")
    expect(mark(panel, "jobs")).to_be_visible()
    mark(panel, "keep").focus()
    reached = [focused(page)]
    for _ in range(4):
        page.keyboard.press("Tab")
        reached.append(focused(page))
    assert reached == ["keep", "keep-minutes", "give-up", "resize", "promote"]
    for role in ("button", "combobox", "meter", "img", "region"):
        for each in panel.get_by_role(role).all():
            expect(each).to_have_accessible_name(re.compile("."))
    expect(status(eva)).to_have_accessible_name(re.compile(r"^GPU 0 of 10 GiB\. idle\. Nothing"))


def test_settings_switch_the_status_bar_off_and_on(eva):
    page = eva.page
    enter_lab(eva)
    expect(status(eva)).to_be_visible()
    choose(page, "Settings", "Settings Editor")
    page.locator(".jp-PluginList").get_by_text("Sublet", exact=True).click()
    editor = page.locator(".jp-SettingsPanel")
    expect(editor).to_contain_text("Poll interval")
    box = editor.get_by_role("checkbox", name="Status bar")
    box.uncheck()
    expect(status(eva)).to_be_hidden()
    eva.photograph("settings")
    box.check()
    expect(status(eva)).to_be_visible()


def test_lending_switched_off_is_told_in_the_panel(eva, hub):
    enter_lab(eva)
    panel = open_panel(eva)
    with hub.lending_off():
        expect(mark(panel, "lending-off")).to_contain_text("An admin has switched lending off")
    expect(mark(panel, "lending-off")).to_have_count(0)


def test_a_hidden_tab_asks_nothing_and_one_in_sight_asks_at_once(in_lab, hub):
    # Whose clock is played with goes on in no other test.
    eva = in_lab("eva", locale="en-GB")
    page = eva.page
    put_settings(hub.home("eva"), "sublet-lab:share", pollInterval=20)
    page.clock.install()
    open_lab(eva)
    open_panel(eva)
    with page.expect_request(OURS):
        page.clock.run_for(A_MINUTE_MS)
    page.evaluate(_HIDE, True)
    # What was about to ask as it was hidden has asked.
    page.clock.run_for(A_SECOND_MS)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.clock.run_for(TEN_MINUTES_MS)
    assert [url for url in asked if OURS.search(url)] == []
    with page.expect_request(OURS):
        page.evaluate(_HIDE, False)
    eva.leave()


def test_what_is_away_leaves_its_last_word_in_grey_with_when_it_was_seen(eva, hub):
    eva.expect_complaint("50[234]")
    enter_lab(eva)
    panel = open_panel(eva)
    expect(mark(panel, "quota")).to_be_visible()
    with hub.without_service():
        expect(mark(panel, "hub-away")).to_contain_text(
            re.compile(r"The hub does not answer\. What is grey was last seen at \d+:\d+:\d+")
        )
        expect(mark(panel, "quota")).to_have_class(re.compile("sublet-stale"))
        expect(mark(panel, "standing")).to_have_text("idle")
        expect(mark(panel, "keep")).to_be_disabled()
        eva.photograph("hub-away")
    expect(mark(panel, "hub-away")).to_have_count(0)
    with hub.frozen("agent"):
        until_standing(eva, "away")
        expect(status(eva)).to_have_class(re.compile("sublet-stale"))
        expect(mark(panel, "seen-at")).to_have_text(re.compile(r"Last seen at \d+:\d+:\d+"))
        eva.photograph("agent-away")
    until_standing(eva, "idle")
    expect(mark(panel, "seen-at")).to_have_count(0)


def test_what_is_away_from_the_beginning_is_told_and_nobody_is_told_to_stop_the_server(eva, hub):
    eva.expect_complaint("50[234]")
    with hub.frozen("agent"), hub.without_service():
        open_lab(eva)
        command(eva.page, "Show My Share of the GPUs")
        panel = mark(eva.page, "panel")
        expect(mark(panel, "unreachable")).to_contain_text("leave this server and its kernels")
        expect(mark(panel, "hub-away")).to_contain_text("Your quota, your training jobs and the")
        expect(panel).not_to_contain_text("Stop it")
        eva.photograph("all-away")
    until_standing(eva, "idle")
    expect(mark(panel, "unreachable")).to_have_count(0)
    expect(mark(panel, "hub-away")).to_have_count(0)
