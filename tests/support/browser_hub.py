"""JupyterHub's pages as a person uses them: log in, pick a size, wait for the server."""

import re

from playwright.sync_api import Locator, Page, expect

from tests.support.browser import Visitor


def log_in(visitor: Visitor, password: str, then: str = "/hub/spawn") -> None:
    """Log in by the form, and go on to a page."""
    visitor.page.goto(f"/hub/login?next={then}")
    sign_in(visitor, password)
    # The form's own address names it, too, behind its question mark.
    visitor.page.wait_for_url(re.compile(f"^[^?]*{re.escape(then)}"))


def sign_in(visitor: Visitor, password: str) -> None:
    """Fill in and send the form, where the page shows it: the hub leads on from there."""
    page = visitor.page
    page.get_by_label("Username").fill(visitor.name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name=re.compile("sign in", re.IGNORECASE)).click()
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
