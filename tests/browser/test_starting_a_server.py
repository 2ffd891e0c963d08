"""The hub's own pages: what may be picked and why not, what is refused, how a start goes on."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.support.browser_hub import log_in, size, start, until_lab

pytestmark = [
    pytest.mark.end_to_end,
]


UNTIL_TOLD = """\
import pathlib, time
while not pathlib.Path(__file__).with_name("go-on").exists():
    time.sleep(0.1)"""


@contextmanager
def only_begun(home: Path) -> Iterator[None]:
    """Have a user's server begin, and answer nobody meanwhile: it does not get beyond settings."""
    settings = home / ".jupyter"
    settings.mkdir(parents=True, exist_ok=True)
    (settings / "jupyter_server_config.py").write_text(UNTIL_TOLD)
    try:
        yield
    finally:
        (settings / "go-on").touch()


def test_the_form_shows_the_sizes_and_why_others_are_not_to_be_had(visit, hub):
    dora = visit("dora")
    log_in(dora, hub.settings.password)
    dora.photograph("form-limited")
    expect(size(dora.page, "Small")).to_be_checked()
    expect(size(dora.page, "Large")).to_be_disabled()
    expect(size(dora.page, "Large")).to_have_accessible_description(
        re.compile(r"may have 20 GiB \(.*\): 40 GiB more is too much")
    )
    expect(size(dora.page, "Night shift")).to_have_accessible_description(
        re.compile("may not have size 'night'")
    )
    expect(dora.page.locator("form")).to_contain_text("up to 20 GiB of GPU memory")


def test_the_form_can_be_used_by_keyboard_in_a_dark_theme(visit, hub):
    # A form begins with the last choice, and she has made none: no server of hers is ever started.
    gwen = visit("gwen", color_scheme="dark")
    log_in(gwen, hub.settings.password)
    expect(size(gwen.page, "Small")).to_be_checked()
    size(gwen.page, "Small").focus()
    gwen.page.keyboard.press("ArrowDown")
    expect(size(gwen.page, "Large")).to_be_checked()
    gwen.photograph("form-dark")


def test_a_start_tells_of_the_slice_and_ends_in_jupyterlab(visit, hub):
    cleo = visit("cleo")
    log_in(cleo, hub.settings.password)
    size(cleo.page, "Night shift").check()
    cleo.photograph("form-free")
    # The page goes on by itself when her server answers, and might before it is looked at.
    with only_begun(hub.home("cleo")):
        start(cleo.page)
        cleo.page.wait_for_url(re.compile("/hub/spawn-pending/"))
        cleo.page.get_by_text("Event log").click()
        expect(cleo.page.locator("#progress-log")).to_contain_text(
            re.compile(
                r"Slice granted \(size night\): 20 GiB and 0.25 GPU of GPU 0 .*\(simulated\)"
            )
        )
        cleo.photograph("starting")
    until_lab(cleo)
    cleo.photograph("lab-first")


def test_a_quota_that_fills_up_meanwhile_is_refused_in_the_words_of_the_form(visit, hub):
    ada = visit("ada")
    log_in(ada, hub.settings.password)
    size(ada.page, "Large").check()
    hub.start_server("bea", "small")
    ada.expect_complaint(r"403 \(Forbidden\)")
    start(ada.page)
    refusal = ada.page.locator(".spawn-error-msg")
    expect(refusal).to_contain_text("vision")
    ada.photograph("refused")
    words = refusal.inner_text().removeprefix("Error: ")
    ada.page.goto("/hub/spawn")
    # A refusal says after these what it follows from, where that is more.
    described = ada.page.locator("#sublet-size-large-why-not").inner_text()
    expect(size(ada.page, "Large")).to_have_accessible_description(described)
    assert words.startswith(described)
    ada.photograph("form-group-is-full")
    expect(size(ada.page, "Small")).to_be_enabled()
