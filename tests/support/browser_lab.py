"""JupyterLab as a person uses it: open a notebook, run a cell, read what it says."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

import nbformat
from playwright.sync_api import APIResponse, Locator, Page, expect

from tests.support.browser import Visitor
from tests.support.browser_hub import until_lab

CREATED = 201


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
        expect(self.cell(place).locator(".jp-InputArea-prompt")).to_have_text(
            re.compile(r"\[\d+\]:")
        )

    def write(self, place: int, text: str) -> None:
        """Put this text in place of a cell's."""
        self.cell(place).locator(".cm-content").click()
        self.page.keyboard.press("Control+a")
        self.page.keyboard.insert_text(text)


def ask_server(visitor: Visitor, method: str, path: str, body: object = None) -> APIResponse:
    """Ask the visitor's own notebook server, or whosever the path names, as its pages do."""
    xsrf = next(
        cookie["value"]
        for cookie in visitor.context.cookies()
        if cookie["name"] == "_xsrf" and cookie["path"] == f"/user/{visitor.name}/"
    )
    return visitor.context.request.fetch(
        path,
        method=method,
        headers={"X-XSRFToken": xsrf, "Content-Type": "application/json"},
        data=json.dumps(body) if body is not None else None,
    )


def submit_job(visitor: Visitor, **request: object) -> str:
    """Submit a job through the visitor's notebook server; give its id."""
    answer = ask_server(visitor, "POST", f"/user/{visitor.name}/sublet/api/jobs", request)
    assert answer.status == CREATED, answer.text()
    job_id: str = answer.json()["job_id"]
    return job_id


def open_lab(visitor: Visitor, path: str = "") -> None:
    """Go to JupyterLab, as it is after logging in."""
    visitor.page.goto(f"/user/{quote(visitor.name)}/lab{path}?reset")
    until_lab(visitor)


def open_notebook(visitor: Visitor, path: str) -> NotebookPage:
    """Open a notebook and wait for its kernel."""
    open_lab(visitor, f"/tree/{quote(path)}")
    notebook = NotebookPage(visitor.page)
    expect(notebook.panel).to_be_visible()
    until_kernel(notebook)
    return notebook


def until_kernel(notebook: NotebookPage) -> None:
    """Wait until the kernel has started and runs nothing."""
    # Before there is a kernel the notebook calls itself idle.
    expect(notebook.panel.locator(".jp-KernelName")).to_contain_text("Python 3")
    status = notebook.panel.locator(".jp-Notebook-ExecutionIndicator")
    expect(status).to_have_attribute("data-status", "idle")
