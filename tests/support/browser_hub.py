"""JupyterHub's pages as a person uses them: log in, pick a size, wait for the server."""

import re

from playwright.sync_api import Locator, Page, expect

from tests.support.browser import Visitor


def log_in(visitor: Visitor, password: str, then: str = "/hub/spawn") -> None:
    """Log in by the form, and go on to a page."""
    page = visitor.page
    page.goto(f"/hub/login?next={then}")
    page.get_by_label("Username").fill(visitor.name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name=re.compile("sign in", re.IGNORECASE)).click()
    page.wait_for_url(re.compile(re.escape(then)))
    visitor.has_logged_in = True


def size(page: Page, title: str) -> Locator:
    """The button of one size on the form."""
    return page.get_by_role("radio", name=re.compile(f"^{re.escape(title)}"))


def start(page: Page) -> None:
    """Send the form."""
    page.get_by_role("button", name="Start").click()


def until_lab(visitor: Visitor) -> None:
    """Wait until JupyterLab is there and has restored itself."""
    page = visitor.page
    page.wait_for_url(re.compile(r"/user/[^/]+/lab"))
    expect(page.locator("#jp-main-dock-panel")).to_be_visible()
    # It comes before the panel is there, and goes after.
    expect(page.locator("#jupyterlab-splash")).to_have_count(0)
