"""Installed where there is no Sublet hub, the extension shows nothing and breaks nothing."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.support.browser import new_visitor
from tests.support.browser_lab import NotebookPage, put_notebook, until_kernel
from tests.support.plain_jupyterlab import plain_jupyterlab

pytestmark = [
    pytest.mark.end_to_end,
]


def test_without_a_hub_nothing_shows_and_nothing_breaks(browser, tmp_path):
    put_notebook(tmp_path / "plain.ipynb", "6 * 7")
    with plain_jupyterlab(tmp_path) as address:
        visitor = new_visitor(browser, "nobody")
        asked: list[str] = []
        visitor.page.on("request", lambda request: asked.append(request.url))
        visitor.page.goto(re.sub(r"/lab\?", "/lab/tree/plain.ipynb?", address))
        notebook = NotebookPage(visitor.page)
        until_kernel(notebook)
        notebook.run_cell(0)
        expect(notebook.output(0)).to_have_text("42")
        visitor.photograph("without-a-hub")
        expect(visitor.page.get_by_text(re.compile("sublet|GPU", re.IGNORECASE))).to_have_count(0)
        expect(notebook.toolbar.get_by_role("button", name="train")).to_have_count(0)
        visitor.context.close()
    assert [url for url in asked if "/sublet/" in url] == []
    assert visitor.unexpected() == []


def ask_and_hear_of_it(page: Page, route: str) -> None:
    """Ask a route that fails, until the console has complained of it."""
    with page.expect_console_message(lambda said: said.location["url"].endswith(route)):
        page.evaluate("url => fetch(url).then(answer => answer.text())", route)


def test_where_jupyterlab_failed_once_it_is_told_and_what_fails_still_is_a_complaint(
    browser, tmp_path
):
    with plain_jupyterlab(tmp_path) as address:
        visitor = new_visitor(browser, "nobody")
        page = visitor.page
        page.goto(address)
        page.route("**/workspaces?once", lambda route: route.fulfill(status=500, body="half read"))
        ask_and_hear_of_it(page, "/lab/api/workspaces?once")
        with pytest.warns(UserWarning, match=r"JupyterLab failed once: .*\?once.*half read"):
            assert visitor.unexpected() == []
        visitor.forget_complaints()
        folder = tmp_path / ".jupyter/lab/workspaces"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "cut.jupyterlab-workspace").touch()
        ask_and_hear_of_it(page, "/lab/api/workspaces?cut")
        # JupyterLab itself may ask for its workspaces as it starts, and meet the same.
        [complaint] = [each for each in visitor.unexpected() if "workspaces?cut" in each]
        assert "Expecting value" in complaint
        visitor.context.close()
