"""One hub and one browser for all modules; who visits is watched, and photographed on failure.

Loading JupyterLab is what costs most here. So who has come stays for the tests of the module, with
the page that is open; a test that needs a page of its own says so.
"""

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser

from tests.support.browser import (
    OUTPUT,
    WHY_NO_BROWSER,
    Visitor,
    chromium,
    find_chromium,
    new_visitor,
)
from tests.support.browser_hub import log_in
from tests.support.browser_lab import put_settings
from tests.support.browser_machine import BrowserMachine, browser_machine

FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):  # noqa: ARG001 - pytest's signature
    report = yield
    if report.failed:
        item.stash[FAILED] = True
    return report


@pytest.fixture(scope="package")
def machine() -> Iterator[BrowserMachine]:
    if find_chromium() is None:
        pytest.skip(WHY_NO_BROWSER)
    with browser_machine(speed=4) as running:
        yield running
        running.keep_logs(OUTPUT / "logs")


@pytest.fixture(scope="package")
def browser(machine) -> Iterator[Browser]:  # noqa: ARG001 - its setup needs the event loop
    """Started after the machine and ended before it."""
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def hub(machine) -> Iterator[BrowserMachine]:
    """The machine, where no server and no job is left from the module before."""
    yield machine
    machine.stop_all()


@pytest.fixture(scope="module")
def visitors(hub, browser) -> Iterator[dict[str, Visitor]]:  # noqa: ARG001 - they end before it
    """Who has come already, by name and how they look at it."""
    here: dict[str, Visitor] = {}
    yield here
    send_away(here)


def send_away(here: dict[str, Visitor]) -> None:
    for visitor in here.values():
        visitor.context.close()
    here.clear()


@pytest.fixture
def visit(request, hub, browser, visitors) -> Iterator[Callable[..., Visitor]]:
    """Open a browser as somebody, or go on in theirs; its console must stay free of errors."""

    def open_browser(name: str, **options: object) -> Visitor:
        key = f"{name} {options}"
        if key not in visitors:
            visitors[key] = new_visitor(browser, name, hub.places.hub_url, **options)
        return visitors[key]

    yield open_browser
    complaints = [each for visitor in visitors.values() for each in visitor.unexpected()]
    failed = request.node.stash.get(FAILED, False)
    if failed:
        for visitor in visitors.values():
            visitor.photograph(f"failed-{request.node.name}-{visitor.name}")
    if failed or complaints:
        # What a failure has left behind is no page for the next test.
        send_away(visitors)
    for visitor in visitors.values():
        visitor.forget_complaints()
    assert complaints == []


@pytest.fixture
def in_lab(visit, hub) -> Callable[..., Visitor]:
    """Give the browser of somebody who has logged in, and whose server runs.

    In ``a_page_of_its_own`` nothing is open and no kernel runs.
    """

    def come(
        name: str, size: str = "small", *, a_page_of_its_own: bool = False, **options: object
    ) -> Visitor:
        visitor = visit(name, **options)
        # A question of JupyterLab's own would lie over what is photographed.
        put_settings(
            hub.home(name), "@jupyterlab/apputils-extension:notification", fetchNews="false"
        )
        put_settings(hub.home(name), "sublet-lab:share", pollInterval=1)
        hub.start_server(name, size)
        if not visitor.has_logged_in:
            log_in(visitor, hub.settings.password, "/hub/home")
        elif a_page_of_its_own:
            visitor.leave()
            hub.end_kernels(name)
        return visitor

    return come
