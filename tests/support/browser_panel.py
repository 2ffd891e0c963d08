"""Sublet's own parts of JupyterLab as a person uses them, by the marks that their README names."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Locator, Page, expect

from tests.support.browser import Visitor
from tests.support.browser_lab import NotebookPage, choose

START_JOB = "Start training job"
_WATCH_STANDINGS = """\
() => {
  const seen = (window.standingsSeen = []);
  const look = () => {
    const button = document.querySelector('[data-sublet="status-button"]');
    const standing = button?.dataset.subletStanding;
    if (standing !== undefined && seen.at(-1) !== standing) seen.push(standing);
  };
  look();
  new MutationObserver(look).observe(document.querySelector('#jp-main-statusbar'), {
    subtree: true, childList: true, attributes: true
  });
}"""

_WATCH_TEXTS = """\
(root, selector) => {
  const seen = (root.textsSeen = []);
  const look = () => {
    for (const each of root.querySelectorAll(selector)) {
      const text = each.textContent;
      if (!seen.includes(text)) seen.push(text);
    }
  };
  look();
  new MutationObserver(look).observe(root, {
    subtree: true, childList: true, characterData: true
  });
}"""


STEADY_MS = 700
"""A button that has come to mean something else does nothing for half a second."""


def when_steady(button: Locator) -> Locator:
    """A button that surely does what it says, as who reads it first would press it."""
    expect(button).to_be_enabled()
    button.page.wait_for_timeout(STEADY_MS)
    expect(button).to_be_enabled()
    return button


def mark(where: Page | Locator, name: str, /, **attributes: str) -> Locator:
    """What bears a mark, and these of its further attributes."""
    more = "".join(
        f'[data-sublet-{attribute.replace("_", "-")}="{value}"]'
        for attribute, value in attributes.items()
    )
    return where.locator(f'[data-sublet="{name}"]{more}')


def field(where: Page | Locator, name: str) -> Locator:
    """What is typed into, or chosen from, in a field of the promote dialog."""
    return where.locator(f'[data-sublet-field="{name}"] :is(input, select)')


def status(visitor: Visitor) -> Locator:
    """The status bar's item."""
    return mark(visitor.page, "status-button")


def until_standing(visitor: Visitor, standing: str) -> None:
    """Wait until the status bar says so."""
    expect(status(visitor)).to_have_attribute("data-sublet-standing", standing)


@contextmanager
def standings_seen(visitor: Visitor) -> Iterator[list[str]]:
    """Keep each standing that the status bar shows meanwhile, however short, in its order."""
    visitor.page.evaluate(_WATCH_STANDINGS)
    seen: list[str] = []
    yield seen
    seen.extend(visitor.page.evaluate("() => window.standingsSeen"))


@contextmanager
def texts_seen(root: Locator, selector: str) -> Iterator[list[str]]:
    """Keep each text that elements below ``root`` show meanwhile, however short."""
    root.evaluate(_WATCH_TEXTS, selector)
    seen: list[str] = []
    yield seen
    seen.extend(root.evaluate("root => root.textsSeen"))


def open_panel(visitor: Visitor) -> Locator:
    """Open the share panel by a click on the status bar."""
    status(visitor).click()
    panel = mark(visitor.page, "panel")
    expect(panel).to_be_visible()
    expect(mark(panel, "kernels")).to_be_visible()
    return panel


def promote(notebook: NotebookPage) -> Locator:
    """Press the notebook's button; the dialog, once it is filled in and has a forecast."""
    notebook.toolbar.get_by_role("button", name="Promote").click()
    return promote_dialog(notebook.page)


def promote_dialog(page: Page) -> Locator:
    """The dialog, once it is filled in and has a forecast."""
    dialog = mark(page, "promote-dialog")
    expect(mark(dialog, "forecast")).to_have_attribute(
        "data-sublet-allowed", re.compile("true|false")
    )
    return dialog


def start_job(dialog: Locator) -> None:
    """Press the dialog's button, and see it taken."""
    dialog.get_by_role("button", name=START_JOB).click()
    expect(dialog).to_have_count(0)


def job_named(panel: Locator, name: str, state: str | None = None) -> Locator:
    """The newest job of this name in the panel's list."""
    jobs = mark(panel, "job", **({} if state is None else {"state": state}))
    return jobs.filter(has=panel.page.get_by_text(name, exact=True)).first


def switch_theme(visitor: Visitor, name: str) -> None:
    """Choose JupyterLab's theme from its menu."""
    choose(visitor.page, "Settings", "Theme", name)
    light = "false" if "Dark" in name else "true"
    expect(visitor.page.locator("body")).to_have_attribute("data-jp-theme-light", light)
    expect(visitor.page.locator("#jupyterlab-splash")).to_have_count(0)


def photograph_light_and_dark(visitor: Visitor, name: str) -> None:
    """Keep what the page shows in both of JupyterLab's own themes."""
    visitor.photograph(name)
    switch_theme(visitor, "JupyterLab Dark")
    visitor.photograph(f"{name}-dark")
    switch_theme(visitor, "JupyterLab Light")
