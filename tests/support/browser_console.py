"""The console as a person uses it, by the marks that its parts bear."""

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.support.browser import Visitor
from tests.support.browser_hub import sign_in
from tests.support.browser_panel import mark

SERVICE = "/services/sublet/"
NARROW = {"width": 360, "height": 800}
FILL = "import sublet_agent.simulated.client as gpu\nheld = gpu.allocate(gib={gib})"
COMPUTE = "while True:\n    gpu.compute(seconds=0.2)"
AXE = Path(__file__).parents[2] / "node_modules/axe-core/axe.min.js"
_SERIOUS = {"serious", "critical"}


def open_console(visitor: Visitor, password: str, view: str = "") -> Page:
    """Come to the console by its address; who is not logged in is led through the hub's login."""
    visitor.page.goto(f"{SERVICE}{view}")
    if not visitor.has_logged_in:
        sign_in(visitor, password)
    expect(mark(visitor.page, "who")).to_have_text(visitor.name)
    return visitor.page


def card(page: Page, name: str = "") -> Locator:
    """One card of the list."""
    return mark(page, "card", **({"name": name} if name else {}))


def unfold(one: Locator) -> Locator:
    """Fold out who holds what on a card."""
    one.get_by_role("button", expanded=False).click()
    table = mark(one, "slices")
    expect(table).to_be_visible()
    return table


def faults_found_by_axe(page: Page) -> list[dict[str, Any]]:
    """What axe finds serious on the page as it is now."""
    if not AXE.is_file():
        pytest.skip("axe is missing: `make setup` brings it, with what the console is built of")
    page.evaluate(AXE.read_text())
    found: list[dict[str, Any]] = page.evaluate("async () => (await axe.run()).violations")
    return [
        {"id": each["id"], "where": [node["target"] for node in each["nodes"]]}
        for each in found
        if each["impact"] in _SERIOUS
    ]


def fits_in_width(page: Page) -> bool:
    """Whether nothing of the page is beyond its right edge."""
    return bool(
        page.evaluate("() => document.documentElement.scrollWidth <= window.innerWidth + 1")
    )
