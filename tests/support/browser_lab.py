"""JupyterLab as a person uses it: open a notebook, run a cell, read what it says."""

import contextlib
import json
import re
import time
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote, urlsplit

import nbformat
from playwright.sync_api import Locator, Page, expect
from playwright.sync_api import TimeoutError as PlaywrightTimeoutError

from tests.support.browser import PATIENCE_MS, Visitor
from tests.support.browser_hub import until_lab

_A_LOOK_MS = 5_000


def put_notebook(path: Path, *cells: str, tags: dict[int, Sequence[str]] | None = None) -> None:
    """Write a notebook of code cells; ``tags`` are by the cell's place, from 0."""
    path.parent.mkdir(parents=True, exist_ok=True)
    notebook = nbformat.v4.new_notebook(
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    )
    for place, source in enumerate(cells):
        cell = nbformat.v4.new_code_cell(source, id=f"cell-{place}")
        if tags and place in tags:
            cell.metadata["tags"] = list(tags[place])
        notebook.cells.append(cell)
    path.write_text(nbformat.writes(notebook), encoding="utf-8")


def put_settings(home: Path, plugin: str, **settings: object) -> None:
    """Set a user's settings of one of JupyterLab's plugins, such as ``sublet-lab:share``."""
    path = home / ".jupyter" / "lab" / "user-settings" / plugin.replace(":", "/")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_name(f"{path.name}.jupyterlab-settings").write_text(json.dumps(settings))


class NotebookPage:
    """The one notebook that is in front."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.panel = page.locator(".jp-NotebookPanel:not(.lm-mod-hidden)")

    @property
    def toolbar(self) -> Locator:
        return self.panel.locator(".jp-NotebookPanel-toolbar")

    def cell(self, place: int) -> Locator:
        return self.panel.locator(".jp-Notebook .jp-Cell").nth(place)

    def output(self, place: int) -> Locator:
        return self.cell(place).locator(".jp-OutputArea-output")

    def start_cell(self, place: int) -> None:
        """Run a cell and do not wait for it."""
        self.cell(place).locator(".cm-content").click()
        self.page.keyboard.press("Control+Enter")

    def run_cell(self, place: int) -> None:
        """Run a cell and wait until it has ended."""
        self.start_cell(place)
        self.until_run(place)

    def until_run(self, place: int) -> None:
        """Wait until a cell that was started has ended."""
        expect(self.cell(place).locator(".jp-InputArea-prompt")).to_have_text(
            re.compile(r"\[\d+\]:")
        )

    def write(self, place: int, text: str) -> None:
        """Put this text in place of a cell's."""
        self.cell(place).locator(".cm-content").click()
        self.page.keyboard.press("Control+a")
        self.page.keyboard.insert_text(text)


def open_lab(visitor: Visitor, path: str = "") -> None:
    """Go to JupyterLab, as it is after logging in."""
    visitor.page.goto(f"/user/{quote(visitor.name)}/lab{path}?reset")
    until_lab(visitor)


def enter_lab(visitor: Visitor) -> None:
    """Go to JupyterLab, or stay in the one that is open."""
    if not is_in_lab(visitor):
        open_lab(visitor)


def is_in_lab(visitor: Visitor) -> bool:
    """Whether the page shows JupyterLab, and all of it is there."""
    return "/lab" in urlsplit(visitor.page.url).path and (
        visitor.page.locator("#jp-main-dock-panel").is_visible()
    )


def open_notebook(visitor: Visitor, path: str) -> NotebookPage:
    """Open a notebook, in the JupyterLab that is open if there is one, and wait for its kernel."""
    notebook = NotebookPage(visitor.page)
    if is_in_lab(visitor):
        choose(visitor.page, "File", "Open from Path…")
        asked = visitor.page.get_by_role("dialog")
        asked.get_by_role("textbox").fill(path)
        asked.get_by_role("button", name="Open").click()
    else:
        open_lab(visitor, f"/tree/{quote(path)}")
    # The one that was in front is there until this one is.
    expect(visitor.page.locator("#jp-main-dock-panel .lm-TabBar-tab.jp-mod-current")).to_have_text(
        path.rpartition("/")[2]
    )
    expect(notebook.panel).to_be_visible()
    until_kernel(notebook)
    return notebook


def until_kernel(notebook: NotebookPage) -> None:
    """Wait until the kernel has started and runs nothing."""
    # Before there is a kernel the notebook calls itself idle.
    expect(notebook.panel.locator(".jp-KernelName")).to_contain_text("Python 3")
    status = notebook.panel.locator(".jp-Notebook-ExecutionIndicator")
    expect(status).to_have_attribute("data-status", "idle")


def choose(page: Page, menu: str, *items: str) -> None:
    """Choose from JupyterLab's menu bar, through submenus."""
    page.locator(".lm-MenuBar-item").get_by_text(menu, exact=True).click()
    for item in items:
        page.locator(".lm-Menu-itemLabel").get_by_text(item, exact=True).click()


def _is_offered(page: Page, found: Locator) -> bool:
    """Whether the palette shows a command, and would give it.

    What it shows may be of the word before: until it has looked for this one, which it does before
    the next picture, it gives no command and closes all the same.
    """
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => setTimeout(done)))")
    return found.is_visible()


def command(page: Page, label: str) -> None:
    """Give a command by JupyterLab's palette, without a mouse.

    Lab takes no shortcut until a moment after it shows itself, and where it is slow a second press
    closes what the first has opened, or something else takes the focus: who does not see the
    command, or whose Enter did not go to it, begins again.
    """
    typed = page.locator(".lm-CommandPalette-input")
    found = page.locator(".lm-CommandPalette-item.lm-mod-active").filter(has_text=label)
    ends = time.monotonic() + PATIENCE_MS / 1000
    while not (_is_offered(page, found) and _enter(page, label)):
        assert time.monotonic() < ends, f"the command palette does not offer {label!r}"
        with contextlib.suppress(AssertionError, PlaywrightTimeoutError):
            if not typed.is_visible():
                page.keyboard.press("Control+Shift+C")
                typed.wait_for(state="visible", timeout=_A_LOOK_MS)
            expect(typed).to_be_focused(timeout=_A_LOOK_MS)
            page.keyboard.press("Control+A")
            page.keyboard.insert_text(label)
            found.wait_for(state="visible", timeout=_A_LOOK_MS)


def _enter(page: Page, label: str) -> bool:
    """Press Enter; return whether it went to the palette, with that command chosen."""
    page.evaluate(
        """label => addEventListener('keydown', event => {
            const chosen = document.querySelector('.lm-CommandPalette-item.lm-mod-active');
            window.gaveCommand = event.target.matches?.('.lm-CommandPalette-input') === true
                && (chosen?.textContent ?? '').includes(label);
        }, { capture: true, once: true })""",
        label,
    )
    page.keyboard.press("Enter")
    return bool(page.evaluate("window.gaveCommand"))
